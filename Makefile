# The two commands of the README are `make demo` and `make test`. Both set up their own .venv.
# Every check is in tools/check.py, and nowhere else.

PY := .venv/bin/python
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help demo test soak bench wheel wheels stubs manuals docs fmt clean

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

demo: ## Build udpping if needed, and watch it lose packets on purpose.
	@sh tools/setup.sh wheel
	@.venv/bin/udpping demo

test: ## Run every check (ONLY=word: only those with the word in their name; FULL=1: on every Python).
	@sh tools/setup.sh dev
	@$(PY) tools/check.py $(if $(FULL),--full) $(ONLY)

soak: ## Try what is long and hostile for HOURS=n, with fresh seeds (SEED=n: the first).
	@sh tools/setup.sh dev
	@$(PY) tools/check.py wheel venv bare
	@$(PY) tools/soak.py $(or $(HOURS),8) $(SEED)

bench: ## Measure beside other programs (PART=word: only that part; ROUNDS=n).
	@sh tools/setup.sh wheel
	@cargo build --quiet --release --locked --manifest-path benches/bare/Cargo.toml --target-dir target/bare
	@$(PY) benches/run.py --rounds $(or $(ROUNDS),5) --ndjson build/bench.ndjson --markdown build/bench.md $(PART)

wheel: ## Build the wheel into dist/ and install it into .venv.
	@sh tools/setup.sh wheel
	@ls -l dist

wheels: ## Build the wheels for all systems and the sdist into dist/all/ (with packages of Debian: tools/programs.py).
	@sh tools/setup.sh build
	@$(PY) -m pip install --quiet --disable-pip-version-check --group wheels
	@$(PY) tools/wheels.py

stubs: ## Write python/udpping/_core.pyi anew after the bindings changed.
	@sh tools/setup.sh build
	@.venv/bin/maturin generate-stubs --profile ci --features stubs --locked --out build/stubs --interpreter $(PY)
	@$(PY) tools/stub.py build/stubs/udpping/_core.pyi
	cp build/stubs/udpping/_core.pyi python/udpping/_core.pyi

manuals: ## Write man pages and completion for shells anew, after options or their help changed.
	@sh tools/setup.sh dev
	@sh tools/setup.sh wheel
	rm -rf manuals
	@$(PY) tools/manuals.py manuals

docs: ## Build the site of the documentation into build/site.
	@sh tools/setup.sh dev
	@sh tools/setup.sh wheel
	@$(PY) tools/docs.py build/site

fmt: ## Format Rust and Python.
	@sh tools/setup.sh dev
	cargo fmt
	.venv/bin/ruff check --fix --quiet --exit-zero
	.venv/bin/ruff format

clean: ## Remove everything that was built.
	cargo clean
	rm -rf .venv .venv-* build dist
