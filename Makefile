# Shortcuts for the scripts in tools/ and bench/, which can also be run without make.
.PHONY: demo test install check check-arm64 check-windows bench clean

demo:
	@sh tools/demo.sh

test:
	@sh tools/test.sh

install:
	R CMD INSTALL .

# R CMD check only, which `make test` includes
check:
	@sh tools/test.sh check

# the complete C harness for other platforms, cross-compiled; `make test` runs a part of it
check-arm64 check-windows:
	@$(MAKE) -s -C tests/testthat/engine $@

bench:
	@sh bench/run.sh

clean:
	rm -rf build tests/testthat/engine/build *.Rcheck genred_*.tar.gz
	rm -f src/*.o src/*.so src/engine/*/*.o src/cuda/*.o src/engine/emit/prelude_text.h src/engine/emit/cuda_text.h
