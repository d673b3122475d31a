#!/bin/bash
# Unpack Debian's HTCondor, of a suite that has it, into $CONDOR_TREE, and make it run from there
# with its own loader and libraries. Nothing is installed on the machine; needs no root. The tree
# cannot be moved afterwards.
set -euo pipefail
suite=${CONDOR_SUITE:-trixie}
tree=$CONDOR_TREE
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
umask 022
mkdir -p "$(dirname "$tree")"
exec 9>"$tree.lock"
flock 9 # two may want it at once
[ ! -e "$tree/complete" ] || exit 0

echo "unpacking HTCondor ($suite) into $tree" >&2
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/etc/apt/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
    "$apt"/var/{cache/apt/archives,lib/apt/lists}/partial "$apt"/var/{lib/dpkg,log/apt}
: >"$apt/var/lib/dpkg/status" # nothing is installed: apt gets all that is needed
mirror=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/etc/apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir "$apt";
Dir::State::status "$apt/var/lib/dpkg/status";
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "5";
Debug::NoLocking "true";
CONF
# what the machine thinks of outdated indexes holds for these too
apt-config dump Acquire::Check-Valid-Until >>"$apt/apt.conf"
export APT_CONFIG=$apt/apt.conf
apt-get -qq update
apt-get -qq -y --download-only install condor patchelf >"$apt/log" 2>&1 || {
    cat "$apt/log" >&2
    exit 1
}

rm -rf "$tree"
mkdir "$tree"
for package in "$apt"/var/cache/apt/archives/*.deb; do
    case $(basename "$package") in
        libperl* | libpython* | libboost-python* | libdate-manip* | libjs-*) ;;
        libpam* | libsystemd0* | libdb5* | libgdbm*) ;;
        condor_* | patchelf_* | lib* | zlib1g_*) dpkg -x "$package" "$tree" ;;
    esac
done
rm -rf "$tree"/usr/share/{doc,man,locale} "$tree"/usr/lib/python3

loader=$(echo "$tree"/usr/lib/*/ld-linux-*.so.?)
libraries=$tree/usr/lib:$(dirname "$loader")
for program in "$tree"/usr/bin/condor_* "$tree"/usr/sbin/* "$tree"/usr/libexec/condor/*; do
    [ -f "$program" ] && [ ! -L "$program" ] || continue
    [ "$(head -c 4 "$program" | tr -d '\0')" = $'\x7fELF' ] || continue
    chmod u-s "$program"
    # RPATH, not RUNPATH, also holds for libraries of libraries; LD_LIBRARY_PATH would reach the jobs
    "$loader" --library-path "$libraries" "$tree/usr/bin/patchelf" --set-interpreter "$loader" \
        --force-rpath --set-rpath "$libraries" "$program" 2>/dev/null || true # a static one
done
"$tree/usr/bin/condor_version" | head -n 1 >&2
touch "$tree/complete"
