// A first Dockerfile, and the .dockerignore beside it. docs/guide/docker.md explains the lines. Pure.

import { servingWords, type InitFacts } from "./facts.ts";

const INSTALL = "pip install --no-cache-dir typhon-server";

/** How the packages are installed, before the code is copied, so that the layer lasts as long as the list does. */
const PACKAGES: Readonly<Record<InitFacts["packages"], string>> = {
  "requirements.txt": `COPY requirements.txt ./
RUN ${INSTALL} -r requirements.txt`,
  "uv.lock": `COPY pyproject.toml uv.lock ./
RUN pip install --no-cache-dir uv \\
    && uv export --frozen --no-dev --no-emit-project --no-hashes -o /tmp/requirements.txt \\
    && ${INSTALL} -r /tmp/requirements.txt`,
  "Pipfile.lock": `COPY Pipfile Pipfile.lock ./
RUN pip install --no-cache-dir pipenv \\
    && pipenv requirements > /tmp/requirements.txt \\
    && ${INSTALL} -r /tmp/requirements.txt`,
  "pyproject.toml": `COPY . .
RUN ${INSTALL} .`,
  none: `# Name your packages here, or in a requirements.txt.
RUN ${INSTALL}`,
};

/** The text of Dockerfile. */
export function renderDockerfile(facts: InitFacts): string {
  const { name, app, found, packages, pythonVersion } = facts;
  const isSite = app === ".";
  const compile = isSite
    ? ""
    : `# Bytecode for a user who may not write here. A file that does not compile, such as a template, has none.
RUN python -m compileall -qq . || true
`;
  const words = ["typhon", ...servingWords(facts)];
  return `# ${name} by Typhon: ${found}.
#     docker build -t ${name.toLowerCase()} .
#     docker run --rm -p 8000:8000 ${name.toLowerCase()}
FROM python:${pythonVersion}-slim

WORKDIR /srv/app

${PACKAGES[isSite ? "none" : packages].replace(isSite ? /^#.*\n/ : "", "")}

COPY . .
${compile}
# A number, because Kubernetes checks runAsNonRoot by it. This user owns no file.
USER 10001:10001

# Platforms set PORT themselves. TYPHON_… variables are options: docs/options.md.
ENV PORT=8000 \\
    PYTHONUNBUFFERED=1 \\
    TYPHON_ACCESS_LOG=- \\
    TYPHON_HEALTH=true
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \\
    CMD ["python", "-c", "import http.client, os, sys; page = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); page.request('GET', '/readyz'); sys.exit(page.getresponse().status != 200)"]

# With brackets, so that Typhon itself is process 1 and gets SIGTERM; a shell would not pass it on.
CMD [${words.map((word) => JSON.stringify(word)).join(", ")}]
`;
}

/** What does not belong into an image. */
export const DOCKERIGNORE = `# What is no part of the application, or a secret: it comes into no layer of the image.
.git
.venv
venv
env
.env
.env.*
*.pem
*.key
*.sqlite3
**/__pycache__
**/*.pyc
.pytest_cache
.mypy_cache
.ruff_cache
node_modules
Dockerfile
.dockerignore
compose.yaml
`;
