# The image of ferrolb: static programs and nothing else. `make image` writes the same without a container engine.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /ferrolb
COPY . .
# A target is named so that build scripts and macros, which cannot be static, are built without these flags.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/ferrolb/target \
    target=$(rustc -vV | sed -n 's/^host: //p') && \
    RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" cargo build --release --locked --target "$target" \
      --package ferrolb-cli --package ferrolb-controller --package ferrolb-speaker && \
    cd "target/$target/release" && \
    install -D -t /image/usr/local/bin ferrolb ferrolb-controller ferrolb-speaker && \
    install -D -m 644 -t /image/usr/local/share/doc/ferrolb /ferrolb/LICENSE

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/local/bin
# Nobody; the chart names root for speakers, who have NET_RAW and nothing else.
USER 65534:65534
CMD ["/usr/local/bin/ferrolb", "--help"]
