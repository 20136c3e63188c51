#!/usr/bin/env bash
# Fetch Pythons that are newer than the machine's Debian, for `make matrix`.
#
# They come from Debian unstable, with its C library, into a folder of their own: nothing is
# installed, and apt's own lists stay as they are. Prints the folder of the interpreters. When they
# cannot be fetched it says so and still succeeds: the matrix skips what is missing.
set -euo pipefail

versions="3.14 3.15"
libraries="libc6 libgcc-s1 libstdc++6 libssl3t64 libexpat1 zlib1g libbz2-1.0 libffi8 liblzma5
    libncursesw6 libtinfo6 libreadline8t64 libsqlite3-0 libuuid1 libzstd1 libdb5.3t64"

folder=${XDG_CACHE_HOME:-$HOME/.cache}/qwen25-pythons
root=$folder/root

works() {
    for version in $versions; do
        "$folder/bin/python$version" -c "import ssl, sqlite3, ctypes, lzma" 2>/dev/null || return 1
    done
}

# Called where errexit has no effect: each step says itself what follows from its failure.
fetch() {
    packages=$libraries
    for version in $versions; do
        packages+=" python$version python$version-minimal"
        packages+=" libpython$version-minimal libpython$version-stdlib"
    done
    rm -rf "$folder" && mkdir -p "$folder"/{bin,debs,lists/partial,archives/partial} "$root" &&
        cd "$folder/debs" || return 1
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    # From where this machine has its packages.
    site=$(apt-get indextargets --format '$(SITE)' | grep '/debian$' | head -n 1)
    [ -n "$site" ] || return 1
    echo "deb [signed-by=$key] $site sid main" >"$folder/sources.list"
    apt=(timeout 30 apt-get --quiet --quiet
        -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder"
        -o Acquire::Languages=none -o APT::Sandbox::User=root)
    # shellcheck disable=SC2086  # the packages are words
    "${apt[@]}" update && "${apt[@]}" download $packages || return 1
    for package in *.deb; do
        dpkg --extract "$package" "$root" || return 1
    done
    library=$(dirname "$root"/usr/lib/*/libc.so.6)
    # Each interpreter runs with the C library that it was built for. --argv0 lets a virtual
    # environment, whose python is a link to this script, find itself.
    for version in $versions; do
        python=$root/usr/bin/python$version
        mv "$python" "$python.binary" && cat >"$python" <<-END && chmod +x "$python" || return 1
		#!/bin/sh
		exec "$(echo "$library"/ld-linux*.so.*)" --library-path "$library" --argv0 "\$0" \\
		    "$python.binary" "\$@"
		END
        ln -s "$python" "$folder/bin/" || return 1
    done
    rm -rf "$folder"/{debs,lists,archives} "$folder"/*.bin
    works
}

mkdir -p "${folder%/*}" || true
if works || fetch >"$folder.log" 2>&1; then
    echo "$folder/bin"
else
    echo "Python ${versions// / and } could not be fetched, see $folder.log" >&2
fi
