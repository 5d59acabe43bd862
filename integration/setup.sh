#!/usr/bin/env bash
# Installs what ferrolb's build, lab and tests need and this machine lacks. Idempotent; says what it does.
# setup.sh [keepalived] [cluster] [routers] [bgp]: also the peer that benches compare with; what the nodes of a cluster run; the
# routers of the lab; those and the others that BGP is tried with.
set -euo pipefail

declare -A package=(
  [ip]=iproute2 [nft]=nftables [curl]=curl [cc]=gcc [ps]=procps [nsenter]=util-linux [mount]=mount
)
for extra in "$@"; do
  case "$extra" in
    keepalived) package[keepalived]=keepalived ;;
    # No program of network plugins is on the PATH: one of them stands for all.
    cluster) package+=([containerd]=containerd [runc]=runc [iptables]=iptables [strip]=binutils)
      [ -x /usr/lib/cni/bridge ] || package[/usr/lib/cni/bridge]=containernetworking-plugins ;;
    routers) package+=([bird]=bird2); [ -x /usr/lib/frr/bgpd ] || package[/usr/lib/frr/bgpd]=frr ;;
    # OpenBGPD and FRR both have a bgpd: theirs are told apart by bgpctl and by the folder.
    bgp) package+=([bird]=bird2 [gobgpd]=gobgpd [exabgp]=exabgp [bgpctl]=openbgpd)
      [ -x /usr/lib/frr/bgpd ] || package[/usr/lib/frr/bgpd]=frr ;;
    *) echo "setup: unknown extra '$extra'; known are keepalived, cluster, routers and bgp" >&2; exit 2 ;;
  esac
done

# Programs for administrators are not on every user's PATH.
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done

if ! command -v cargo >/dev/null; then
  echo "setup: cargo is missing; install Rust with rustup (the version is in rust-toolchain.toml)" >&2
  exit 1
fi
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if ! command -v apt-get >/dev/null; then
  echo "setup: please install: ${missing[*]} (Debian's names)" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "setup: please install as root: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# What is installed here is started by the lab and the tests, each with a configuration of its own; Debian's services would take
# ports and change routes of this machine. See policy-rc.d's README in init-system-helpers.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
if [ -d /run/systemd/system ]; then
  for service in bird frr gobgpd exabgp openbgpd keepalived; do
    printf '%s\n' "${missing[@]}" | grep -qx "${service/bird/bird2}" && systemctl disable --quiet "$service" || true
  done
fi
echo "setup: done"
