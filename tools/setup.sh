#!/bin/sh
# Makes .venv ready, and says in one line what is missing on this machine.
#
#   sh tools/setup.sh build   what a wheel is built with
#   sh tools/setup.sh wheel   the same, and the wheel built and installed if its sources changed
#   sh tools/setup.sh dev     what the checks need as well
#   sh tools/setup.sh package DEBIAN FEDORA ARCH ALPINE MACOS    prints the line that installs a package here
set -eu
cd "$(dirname "$0")/.."
goal=$1

missing() { # what is missing, the one line that installs it
    printf 'udpping needs %s. Install it, then try again:\n    %s\n' "$1" "$2" >&2
    exit 1
}

package() { # name in Debian, Fedora, Arch, Alpine, macOS -> the command that installs it
    root=""
    [ "$(id -u)" = 0 ] || root="sudo "
    if command -v apt-get >/dev/null; then echo "${root}apt-get install -y $1"
    elif command -v dnf >/dev/null; then echo "${root}dnf install -y $2"
    elif command -v pacman >/dev/null; then echo "${root}pacman -S --noconfirm $3"
    elif command -v apk >/dev/null; then echo "${root}apk add $4"
    else echo "$5"
    fi
}

if [ "$goal" = package ]; then
    shift
    package "$@"
    exit
fi

# --- What the machine must have: a linker, Rust, Python with venv ---

rustup='curl --proto "=https" --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y'
oldest_rust=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)

command -v cc >/dev/null || missing "a C linker (cc)" "$(package "gcc libc6-dev" gcc gcc build-base 'xcode-select --install')"
command -v cargo >/dev/null || missing "Rust 1.$oldest_rust or newer (cargo)" "$rustup"
rust=$(rustc --version | sed 's/^rustc 1\.\([0-9]*\).*/\1/')
if [ "$rust" -lt "$oldest_rust" ]; then
    command -v rustup >/dev/null && rustup="rustup update stable"
    missing "Rust 1.$oldest_rust or newer (this is 1.$rust)" "$rustup"
fi
if [ "$goal" = dev ]; then
    { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ||
        missing "rustfmt and clippy" "rustup component add rustfmt clippy"
fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python="" without_venv=""
    for candidate in ${PYTHON:-} python3 python3.15 python3.14 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            python=$candidate
            break
        fi
        without_venv=${without_venv:-$("$candidate" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')}
    done
    [ -n "$python$without_venv" ] ||
        missing "Python 3.11 or newer" "$(package python3-venv python3 python python3 'brew install python')"
    [ -n "$python" ] ||
        missing "Python's venv module" "$(package "$without_venv" python3 python python3 'brew install python')"
    echo "making .venv"
    "$python" -m venv --clear .venv
fi

# --- What .venv must have: installed again only when the manifest changed ---

install() { # a dependency group of pyproject.toml
    cmp -s pyproject.toml ".venv/.$1" && return
    echo "installing the tools to $2 into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' # older ones know no groups
    # argparse-manpage is of Python alone, and has no wheel.
    .venv/bin/python -m pip install --quiet --only-binary :all: --no-binary argparse-manpage --group "$1"
    cp pyproject.toml ".venv/.$1"
}

if [ "$goal" = dev ]; then install dev "check"; else install build "build"; fi

# --- The wheel: built and installed again only when something in it changed ---

sources="src python Cargo.toml Cargo.lock pyproject.toml README.md LICENSE manuals tools/metadata.py"
if [ "$goal" = wheel ]; then
    # shellcheck disable=SC2086 # the list is meant to be split
    if [ ! -e .venv/.wheel ] || [ -n "$(find $sources -newer .venv/.wheel)" ]; then
        echo "building udpping (the first time takes a minute or two)"
        touch .venv/.building
        rm -rf dist
        .venv/bin/maturin build --release --locked --interpreter .venv/bin/python --out dist
        .venv/bin/python tools/metadata.py dist
        .venv/bin/python -m pip install --quiet --no-index --find-links dist --no-deps --force-reinstall udpping
        mv .venv/.building .venv/.wheel
    fi
fi
