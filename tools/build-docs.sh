#!/bin/sh
# npm run docs: builds the documentation site into .docs/site/, from the pages of the repository. A link that
# leads nowhere, a heading that is not there or a page that no menu has ends the build.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup-venv.sh docs

pages=.docs/pages
rm -rf "$pages"
mkdir -p "$pages"
# Files that links of pages lead to, beside the pages themselves.
find ./*.md docs benchmarks examples -name '*.md' -o -name typhon.schema.json -path 'docs/*' |
  while read -r page; do
    mkdir -p "$pages/${page%/*}"
    cp "$page" "$pages/$page"
  done
# The makers of the theme tell of the generator's next version at each build.
NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict
echo "The site: .docs/site/index.html"
