# What one types; each target installs what it needs first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help setup demo cluster-demo test fuzz kubernetes bench chart docs image fmt soak lint house tools

help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the machine lacks (Debian packages where root, else says which)
	@integration/setup.sh

demo: setup ## A tour of the lab: assignment, owner, crash, the gap a client sees, return; routes at FRR and BIRD
	@[ "$$(id -u)" -ne 0 ] || integration/setup.sh routers
	@echo "building (the first time takes a few minutes) ..."
	@$(CARGO) build --quiet --locked --workspace
	@$(CARGO) lab demo --api $(or $(API),dir)

cluster-demo: setup kubernetes ## The same on a real Kubernetes cluster in namespaces: helm install, address, crash, upgrade under load, removal
	@integration/setup.sh cluster
	@echo "building (the first time takes a few minutes) ..."
	@$(CARGO) build --quiet --locked --workspace
	@$(CARGO) lab cluster demo

test: setup tools kubernetes lint ## Every test that can run here: fmt, clippy, house, unit, simulation, namespaces, API server, cluster
	@[ "$$(id -u)" -ne 0 ] || integration/setup.sh cluster bgp
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked --no-default-features -p ferrolb-gossip -p ferrolb-l2 -p ferrolb-bgp -p ferrolb-bfd -p ferrolb-fib
	@$(MAKE) --no-print-directory fuzz

fuzz: ## What comes from the network, mutated at random for a minute each (FUZZ_SECONDS): gossip, ARP and NDP, BGP, BFD
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(CARGO) test --locked --quiet -p ferrolb-gossip --lib -- fuzz --nocapture
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(CARGO) test --locked --quiet -p ferrolb-l2 --test fuzz -- --nocapture
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(CARGO) test --locked --quiet -p ferrolb-bgp --test fuzz -- --nocapture
	FUZZ_SECONDS=$${FUZZ_SECONDS:-60} $(CARGO) test --locked --quiet -p ferrolb-bfd --test fuzz -- --nocapture

kubernetes: ## Get Kubernetes' programs, etcd, helm and MetalLB for the tests (built once per user, about thirteen minutes)
	@(for what in "" cluster helm metallb; do integration/kubernetes/get.sh $$what || exit; done) >/dev/null || { code=$$?; \
	  [ $$code = 3 ] || exit $$code; echo "kubernetes: the tests that need an API server, a cluster or Helm will be skipped" >&2; }

bench: setup kubernetes ## Figures: gaps and moves in the lab (keepalived beside it), ARP and NDP, gossip, BGP's routes, BFD beside FRR, the allocator, an API server, a cluster
	@integration/setup.sh keepalived bgp
	$(CARGO) build --release --locked --workspace
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- bench
	$(CARGO) run --release --locked --quiet -p ferrolb-controller --example allocator
	$(CARGO) run --release --locked --quiet -p ferrolb-l2 --example flood
	$(CARGO) run --release --locked --quiet -p ferrolb-bgp --example codec
	$(CARGO) run --release --locked --quiet -p ferrolb-gossip --example cost
	$(CARGO) run --release --locked --quiet -p ferrolb-gossip --example junk
	$(CARGO) run --release --locked --quiet -p ferrolb-bfd --example detect
	$(CARGO) run --release --locked --quiet -p ferrolb-bgp --example rib
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- apibench
	@integration/setup.sh cluster
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- cluster bench

soak: setup kubernetes ## The long runs: 100,000 seeds of the simulation, 200 crashes and 1,000 faults in the lab, 100 on a cluster, 180 crashes of the control plane
	@integration/setup.sh cluster
	SEEDS=$${SEEDS:-100000} $(CARGO) test --release --locked -p ferrolb-integration --test simulation -- --nocapture
	MINUTES=$${MINUTES:-60} NODES=$${NODES:-64} $(CARGO) test --release --locked -p ferrolb-gossip --test simulation -- wrongly --nocapture
	ITERATIONS=$${ITERATIONS:-100000000} $(CARGO) test --release --locked -p ferrolb-gossip --lib -- fuzz --nocapture
	CASES=$${CASES:-100000} $(CARGO) test --release --locked -p ferrolb-bgp --lib -- rib::tests::properties rib::tests::learning --nocapture
	FUZZ_ITERATIONS=$${ITERATIONS:-100000000} $(CARGO) test --release --locked -p ferrolb-l2 --test fuzz -- --nocapture
	FUZZ_ITERATIONS=$${ITERATIONS:-100000000} $(CARGO) test --release --locked -p ferrolb-bgp --test fuzz -- --nocapture
	FUZZ_ITERATIONS=$${ITERATIONS:-100000000} $(CARGO) test --release --locked -p ferrolb-bfd --test fuzz -- --nocapture
	SEEDS=$${SEEDS:-100000} $(CARGO) test --release --locked -p ferrolb-bfd --lib -- session::simulation --nocapture
	$(CARGO) build --release --locked --workspace
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- bench --parts crashes --crashes 200
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- chaos --faults 1000 --family dual
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- cluster chaos --faults 100
	$(CARGO) run --release --locked --quiet -p ferrolb-integration --bin lab -- churn

chart: kubernetes ## Check the chart and pack it: target/chart/ferrolb-VERSION.tgz
	@helm=$$(integration/kubernetes/get.sh helm)/helm; $$helm lint --strict charts/ferrolb && \
	  $$helm package charts/ferrolb --destination target/chart

image: ## Build static programs and write the container image, without a container engine: target/image (TWICE=1: and see that it is reproducible)
	@echo "building (the first time takes about ten minutes) ..."
	$(CARGO) run --locked --quiet -p ferrolb-integration --bin image -- $(if $(TWICE),--twice)

docs: ## Write what is made of other things: docs/values.md and the entries of the chart's schema
	BLESS=1 $(CARGO) test --locked --quiet -p ferrolb-integration --test chart -- schema reference

fmt: ## Format the code
	$(CARGO) fmt --all

lint: ## fmt, clippy (also of each leaf without its driver), documentation, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -p ferrolb-gossip -p ferrolb-l2 -p ferrolb-bgp -p ferrolb-bfd -p ferrolb-fib -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	$(CARGO) deny --log-level error check bans licenses sources

tools:
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "installing cargo-deny (about two minutes) ..."; \
	  $(CARGO) install --quiet --locked --debug --target-dir target/tools cargo-deny@0.20.2; }
