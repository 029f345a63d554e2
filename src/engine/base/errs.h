/* errs.h: the error messages of the engine, one row each: ERR(name, class, printf format).
 *
 * Errors in a formula are followed by the line of the formula, a line with a caret and, if a known
 * name is similar, a suggestion (see gr_throw). */
#define GR_ERRORS(ERR) \
  ERR(Char, GR_PARSE, "unexpected character %s") \
  ERR(Number, GR_PARSE, "`%s` is not a number") \
  ERR(NumberRange, GR_ARGUMENT, "`%s` is too large for dtype = \"%s\", whose largest number is about %s") \
  ERR(Empty, GR_PARSE, "the %s is empty") \
  ERR(Expected, GR_PARSE, "expected %s, found %s") \
  ERR(Trailing, GR_PARSE, "expected the end of the formula, found %s") \
  ERR(Depth, GR_PARSE, "the formula is nested more than %d levels deep") \
  ERR(TooLong, GR_PARSE, "the %s is %lld characters long; the limit is %lld") \
  ERR(UnknownOp, GR_PARSE, "unknown operation `%s`") \
  ERR(UnknownVar, GR_PARSE, "unknown variable `%s`") \
  ERR(OpAsVar, GR_PARSE, "`%s` is an operation and needs its arguments in parentheses") \
  ERR(Arity, GR_PARSE, "`%s` takes %s, found %d") \
  ERR(IntArg, GR_PARSE, "argument %d of `%s` must be an integer constant") \
  ERR(ListArg, GR_PARSE, "argument %d of `%s` must be a list of integers such as [2,3]") \
  ERR(Seed, GR_PARSE, "the seed of `%s` must be an integer of 32 bits, or an expression of dimension 1 that is made of " \
      "parameters (Pm)") \
  ERR(ListHere, GR_PARSE, "a list of integers is not allowed here") \
  ERR(ExprArg, GR_PARSE, "argument %d of `%s` must be an expression, not a list") \
  ERR(NotVariable, GR_PARSE, "argument %d of `%s` must be a variable") \
  ERR(NotLinear, GR_ARGUMENT, "`%s`: the formula is not linear in `%s`") \
  ERR(Reduction, GR_PARSE, "unknown reduction `%s`") \
  ERR(ReductionHere, GR_PARSE, "a reduction must be the outermost operation of the formula") \
  ERR(ReductionTag, GR_PARSE, "`%s` needs the category of its result as last argument: 0 (by i) or 1 (by j)") \
  ERR(ReductionTwice, GR_ARGUMENT, "the formula contains the reduction %s, but reduction_op is \"%s\"") \
  ERR(AxisTwice, GR_ARGUMENT, \
      "the reduction in the formula gives a result by %s (axis = %d), but axis = %d was given") \
  ERR(Alias, GR_PARSE, "an alias has the form NAME = Vi(dim), Vj(dim), Pm(dim) or Mij(dim), where (dim) may be left out; found %s") \
  ERR(AliasOpen, GR_PARSE, "argument `%s` has no dimension, which a program needs, as in Vi(3); " \
      "a template takes it from the arguments of each call") \
  ERR(VarInFormula, GR_PARSE, \
      "`%s` needs a position and a dimension inside a formula, as in %s(0,3); only aliases can leave the dimension out") \
  ERR(OpenDim, GR_ARGUMENT, "argument `%s` must have between 1 and %d %s, it has %lld") \
  ERR(OpenStage, GR_ARGUMENT, "the stage \"%s\" needs dimensions; those of %s come from the arguments of a call") \
  ERR(AliasTwice, GR_PARSE, "the alias `%s` is defined twice") \
  ERR(Position, GR_PARSE, "position %d is used by two different arguments") \
  ERR(PositionGap, GR_PARSE, "no argument has position %d, but there is one at position %d") \
  ERR(PositionRange, GR_PARSE, "the position of an argument must be between 0 and %d, not %lld") \
  ERR(VarDim, GR_DIMENSION, "the dimension of a variable must be between 1 and %d, not %lld") \
  ERR(VarCategory, GR_PARSE, "the category of a variable must be 0 (i), 1 (j), 2 (parameter) or 3 (pairs), not %lld") \
  ERR(Broadcast, GR_DIMENSION, "the arguments of `%s` must have equal dimensions, or dimension 1: found %s") \
  ERR(Dim, GR_DIMENSION, "`%s`: %s") \
  ERR(DimLimit, GR_DIMENSION, "`%s` would have dimension %lld; the limit is %d") \
  ERR(ScalarNeeded, GR_DIMENSION, "%s needs a formula of dimension 1, found %d") \
  ERR(StateLimit, GR_MEMORY, \
      "%s would store more than %d numbers for each row of the result, which is the limit: dimension %d%s") \
  ERR(SizeLimit, GR_MEMORY, "the formula needs memory for more than %d numbers in %s, which is the limit") \
  ERR(NodeLimit, GR_MEMORY, "the graph of the formula has more than %d nodes, which is the limit") \
  ERR(NoMemory, GR_MEMORY, "out of memory (%s, %lld bytes)") \
  ERR(Weight, GR_ARGUMENT, "%s requires formula2, the weight") \
  ERR(NoWeight, GR_ARGUMENT, "%s has no weight: formula2 must be NULL") \
  ERR(OptArg, GR_ARGUMENT, "%s requires opt_arg, the number K of values") \
  ERR(OptArgRange, GR_ARGUMENT, "opt_arg (K) must be between 1 and %d, not %d") \
  ERR(NoOptArg, GR_ARGUMENT, "%s does not use opt_arg, which must be NULL") \
  ERR(Choice, GR_ARGUMENT, "%s must be one of %s, not \"%s\"") \
  ERR(AxisRange, GR_ARGUMENT, "axis must be 0 (reduce over i), 1 (reduce over j) or 2 (both), not %d") \
  ERR(BothIndex, GR_ARGUMENT, "%s cannot reduce over both indices (axis = 2): it identifies values by their index, " \
      "and a pair (i, j) has no single index.  Use axis = 0 or 1") \
  ERR(Null, GR_ARGUMENT, "%s must not be NULL") \
  ERR(Aliases, GR_ARGUMENT, "the number of aliases must be between 0 and %d, not %d") \
  ERR(Backend, GR_ARGUMENT, "there is no backend with the number %d") \
  ERR(OutputType, GR_ARGUMENT, "result %d must be stored as %s, not as type %d") \
  ERR(ArgBuffer, GR_ARGUMENT, "argument `%s` has %lld x %lld numbers, but its matrix on the device has %lld x %lld") \
  ERR(Threads, GR_ARGUMENT, "the number of threads must not be negative: %d") \
  ERR(ArgNegative, GR_ARGUMENT, "argument `%s` cannot have %lld rows and %lld columns") \
  ERR(ArgStride, GR_ARGUMENT, "argument `%s`: a stride of %lld does not fit %lld rows and %lld columns") \
  ERR(ArgNull, GR_ARGUMENT, "the data of argument `%s` must not be NULL") \
  ERR(NArgs, GR_ARGUMENT, "%d arguments expected (%s), %d given") \
  ERR(ArgCols, GR_ARGUMENT, "argument `%s` must have %d column%s (%s), it has %lld") \
  ERR(ArgLength, GR_ARGUMENT, "argument `%s` must have length %d (%s), it has %lld") \
  ERR(ArgRows, GR_ARGUMENT, "arguments `%s` and `%s` are both indexed by %s but have %lld%s and %lld %s") \
  ERR(ArgHuge, GR_ARGUMENT, "argument `%s` has %lld %s; the limit is %lld") \
  ERR(ArgPairs, GR_ARGUMENT, "argument `%s` (%s) must have a column for each j and component, a multiple of %d: it has %lld") \
  ERR(Map, GR_ARGUMENT, "the values of all pairs are those of a Sum with axis = 1, not of %s with axis = %d") \
  ERR(MapSize, GR_MEMORY, "the result would have %lld x %lld x %lld numbers, more than memory can hold") \
  ERR(Intervals, GR_ARGUMENT, \
      "intervals must be within 0 to %lld, in ascending order and without overlaps: interval %lld is %lld to %lld") \
  ERR(RangesCount, GR_ARGUMENT, "ranges cannot have %lld blocks and %lld intervals of columns") \
  ERR(RangesRows, GR_ARGUMENT, "the rows of blocks must be within 0 to %lld, in ascending order and without overlaps: " \
      "those of block %lld are %lld to %lld") \
  ERR(RangesEnds, GR_ARGUMENT, \
      "the ends of block %lld's intervals of columns must be between %lld and %lld, not %lld") \
  ERR(RangesColumns, GR_ARGUMENT, "the columns of a block must be within 0 to %lld, in ascending order and without " \
      "overlaps: interval %lld, of block %lld, is %lld to %lld") \
  ERR(RangesLeft, GR_ARGUMENT, "%lld intervals of columns belong to no block") \
  ERR(BatchDims, GR_ARGUMENT, "a batch must have between 0 and %d dimensions, not %d") \
  ERR(BatchSize, GR_ARGUMENT, "the size of a batch in dimension %d must not be negative: %lld") \
  ERR(BatchCount, GR_ARGUMENT, "the batch has more than %lld elements, which is the limit") \
  ERR(BatchStep, GR_ARGUMENT, "argument `%s`: a step of %lld in dimension %d of the batch, whose size is %lld, is not " \
      "possible") \
  ERR(BatchResult, GR_ARGUMENT, "the results of %lld elements with %lld numbers each are too large") \
  ERR(BatchPairs, GR_ARGUMENT, "a batch of %lld elements with %lld x %lld pairs each is too large") \
  ERR(BatchBuffer, GR_ARGUMENT, "argument `%s` lies on a GPU: it cannot be used in a batch of %lld elements") \
  ERR(BatchKeep, GR_ARGUMENT, "the results of a batch of %lld elements cannot stay on a GPU") \
  ERR(States, GR_ARGUMENT, "these %lld numbers are not a block of states of this program: %s") \
  ERR(StatesShape, GR_ARGUMENT, \
      "blocks of states of different calls cannot be merged: %lld x %lld and %lld x %lld") \
  ERR(StatesCommon, GR_ARGUMENT, "these blocks of states come from different values of the parameters%s") \
  ERR(Offset, GR_ARGUMENT, "the offset of a share of the columns must be between 0 and %lld, not %lld") \
  ERR(ShareNumbers, GR_ARGUMENT, "where both indices are reduced, a share of the pairs does not know the numbers of its " \
      "rows and columns, which the formula reads (IndexI, IndexJ, IndexDiff or Rand).  Use axis = 0 or 1") \
  ERR(StatesSize, GR_ARGUMENT, "the array for the states has %lld numbers; %lld are needed") \
  ERR(Stage, GR_ARGUMENT, "unknown stage \"%s\": the stages are tokens, ast, dag, plan, c and cuda") \
  ERR(NoGPU, GR_CUDA, "no GPU can be used: the engine was called without a GPU backend") \
  ERR(DeviceId, GR_CUDA, "there is no GPU with device_id %d: %d GPU%s found, numbered from 0") \
  ERR(DeviceTwice, GR_ARGUMENT, "device_id names GPU %d twice") \
  ERR(KeepHere, GR_ARGUMENT, "a result can stay on a GPU only if a GPU computes it, which this backend does not") \
  ERR(KeepType, GR_ARGUMENT, "the matrix for result %d on the GPU must have %lld rows, %lld columns and type %s") \
  ERR(NoDriver, GR_CUDA, "no NVIDIA driver was found.  Tried: %s\n" \
      "If it is installed elsewhere, name the library (libcuda.so.1) in the environment variable GENRED_CUDA_DRIVER.") \
  ERR(NoNvrtc, GR_CUDA, "no NVRTC library, which compiles kernels for GPUs, was found.  Tried: %s\n" \
      "Install CUDA 11.2 or newer, or the Python package nvidia-cuda-nvrtc, or name the library (libnvrtc.so) in the " \
      "environment variable GENRED_NVRTC.") \
  ERR(NoSymbol, GR_CUDA, "'%s' lacks the function %s: genred needs CUDA 11.2 or newer") \
  ERR(NoDevices, GR_CUDA, "the NVIDIA driver finds no GPU (%s)") \
  ERR(Forked, GR_CUDA, "GPUs cannot be used in a forked process whose parent has used one.  " \
      "Use a cluster of new processes (makeCluster), or backend = \"CPU\" in the children.") \
  ERR(CudaBusy, GR_CUDA, "another call that uses a GPU is already running in this session") \
  ERR(CudaDriver, GR_CUDA, "%s failed in the NVIDIA driver ('%s'): %s") \
  ERR(Cuda, GR_CUDA, "%s failed on GPU %d (%s): %s") \
  ERR(CudaFault, GR_CUDA, "a kernel failed on GPU %d (%s); %s returned %s.\n" \
      "The GPU was reset; matrices that were on it are lost.") \
  ERR(CudaMemory, GR_CUDA, "GPU %d (%s) is out of memory: %lld MB needed, %lld MB of %lld MB free.  " \
      "Releasing cached memory and using smaller blocks did not help.") \
  ERR(CudaLost, GR_CUDA, "this matrix was on GPU %d, which has been reset since: its entries are lost") \
  ERR(CudaOld, GR_CUDA, \
      "NVRTC %d.%d ('%s') does not support the architecture of GPU %d (%s, compute capability %d.%d).  " \
      "An older version does; name its library in the environment variable GENRED_NVRTC.") \
  ERR(CudaShared, GR_CUDA, "the kernel needs %lld bytes of shared memory; GPU %d (%s) has %d per block") \
  ERR(NvrtcText, GR_CUDA, "NVRTC %d.%d did not compile the kernel (%s); its output is attached") \
  ERR(Nvrtc, GR_CUDA, "%s failed in NVRTC: %s") \
  ERR(CudaLoad, GR_CUDA, "the driver (CUDA %d.%d) did not load what NVRTC %d.%d compiled for GPU %d (%s): %s.  " \
      "If NVRTC is newer than the driver, an older version may work; name its library in the " \
      "environment variable GENRED_NVRTC.") \
  ERR(Internal, GR_INTERNAL, "internal error in genred: %s")
