#!/bin/sh
# Installs what building and testing emu needs on Debian or Ubuntu. Run as root. Safe to repeat.
#
# `cargo xtask test` and the Vagrantfile both run this for their system packages.
set -eu

packages="gcc libc6-dev python3-venv user-mode-linux kmod iproute2"
# Not in every release's archive; tests that need it say so when it is missing.
optional="vagrant chromium fonts-dejavu-core prometheus tshark iperf3 etcd-server etcd-client redis-server redis-sentinel"

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
wanted=""
for package in $optional; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || wanted="$wanted $package"
done

if [ -n "$missing$wanted" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words is meant
    [ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing
    for package in $wanted; do
        apt-get install -y -qq --no-install-recommends "$package" || echo "provision: $package is not to be had here" >&2
    done
    # The tests start a Prometheus of their own; the package's would scrape on all the time.
    case "$wanted" in
    *prometheus*) systemctl disable --now prometheus >/dev/null 2>&1 || true ;;
    esac
    # So do programs that tests run on emulated nodes.
    for service in etcd redis-server redis-sentinel; do
        case "$wanted" in
        *"$service"*) systemctl disable --now "$service" >/dev/null 2>&1 || true ;;
        esac
    done
fi
