#!/bin/sh
# The listener's image, step by step; called by the Dockerfile, and by the tests that have no Docker.
#
#   build.sh packages ROOT WHEELS   installs what it imports, for a platform in the words of `pip --platform`
#   build.sh code ROOT              copies our own files, and compiles everything
#
# Run from the top of the repository, or of a copy of what Dockerfile.dockerignore lets through. ROOT is / in the image.
set -eu
folder=functions/senselink
root=${2%/}

case "$1" in
packages)
	pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes --only-binary :all: \
		--platform "$3" --implementation cp --python-version 3.13 \
		--target "$root/app" --requirement "$folder/image-requirements.txt"
	;;
code)
	mkdir -p "$root/app/$folder"
	cp "$folder"/*.py "$root/app/$folder"
	cp -R layers/gatehouse/gatehouse "$root/app/gatehouse"
	# Nobody can write at run time, and the base comes without byte-code: every health check would compile its half of
	# the standard library, for which a quarter of a processor takes longer than the check may. It lies apart from the
	# files, since the standard library is the base's own. It is held against their hashes, since the builder's base may
	# be of another day.
	library=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	python -X pycache_prefix="$root/bytecode" -m compileall -q --invalidation-mode checked-hash \
		-x 'python3.13/(site-packages|test)' "$library" "$root/app"
	;;
*)
	echo "build.sh does not know the step $1" >&2
	exit 2
	;;
esac
