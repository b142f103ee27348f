// Whole folders: which place is looked at first, where imports begin, and the layouts of known projects.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";

import { MAX_SOURCE_BYTES } from "../../src/discovery/source-files.ts";
import { folderWith, look, words, type Given, type Tree } from "./folder.ts";

const FLASK = "from flask import Flask\napp = Flask(__name__)\n";
const FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n";
const MANAGE =
  'import os\nimport sys\n\ndef main():\n    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n    from django.core.management import execute_from_command_line\n    execute_from_command_line(sys.argv)\n\nif __name__ == "__main__":\n    main()\n';
const DJANGO_WSGI =
  "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\napplication = get_wsgi_application()\n";
const BASE = "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n";

interface Layout extends Given {
  readonly tree: Tree;
  readonly name?: string;
  readonly found: string | RegExp;
}

const LAYOUTS: Readonly<Record<string, Layout>> = {
  "main.py before app.py": { tree: { "main.py": FASTAPI, "app.py": FLASK }, found: "main:app" },
  "a place without an application is passed over": {
    tree: { "main.py": "print(1)", "app.py": FLASK },
    found: "app:app",
  },
  "wsgi.py before asgi.py": { tree: { "asgi.py": FLASK, "wsgi.py": FLASK }, found: "wsgi:app" },
  "the folder before app/": {
    tree: { "server.py": FLASK, "app/main.py": FLASK },
    found: "server:app",
  },
  "app/ without __init__.py: its folder, as the FastAPI CLI does": {
    tree: { "app/main.py": FASTAPI },
    found: "main:app in app",
  },
  "app/ as a package": {
    tree: { "app/__init__.py": "", "app/main.py": FASTAPI },
    found: "app.main:app",
  },
  "app/ with imports by its name": {
    tree: { "app/main.py": `from app.db import x\n${FASTAPI}`, "app/db.py": "x = 1" },
    found: "app.main:app",
  },
  "app/ with relative imports": {
    tree: { "app/main.py": `from .db import x\n${FASTAPI}`, "app/db.py": "x = 1" },
    found: "app.main:app",
  },
  "src/ with imports by its name": {
    tree: { "src/main.py": `import src.db\n${FASTAPI}`, "src/db.py": "" },
    found: "src.main:app",
  },
  "src/ with plain imports": {
    tree: { "src/main.py": `import db\n${FASTAPI}`, "src/db.py": "" },
    found: "main:app in src",
  },
  "a package of the folder's name": {
    name: "shop-api",
    tree: { "shop_api/__init__.py": "", "shop_api/main.py": FASTAPI },
    found: "shop_api.main:app",
  },
  "the same in src/": {
    name: "shop",
    tree: { "src/shop/__init__.py": "", "src/shop/main.py": `from .x import y\n${FASTAPI}` },
    found: "shop.main:app in src",
  },
  "a package of the project's name": {
    names: ["Web-Shop"],
    tree: { "src/web_shop/__init__.py": FLASK },
    found: "web_shop:app in src",
  },
  "the Flask tutorial": {
    names: ["flaskr"],
    tree: {
      "flaskr/__init__.py":
        'import os\nfrom flask import Flask\n\ndef create_app(test_config=None):\n    """Create."""\n    app = Flask(__name__, instance_relative_config=True)\n    @app.route("/hello")\n    def hello():\n        return "Hello"\n    from . import auth, blog\n    app.register_blueprint(auth.bp)\n    return app\n',
      "flaskr/auth.py": "from flask import Blueprint\nbp = Blueprint('auth', __name__)\n",
    },
    found: "flaskr:create_app()",
  },
  "the Flask mega-tutorial": {
    tree: {
      "app/__init__.py":
        "from flask import Flask\nfrom config import Config\n\ndef create_app(config_class=Config):\n    app = Flask(__name__)\n    return app\n\nfrom app import models\n",
      "app/models.py": "",
      "microblog.py": "from app import create_app\napp = create_app()\n",
    },
    found: "app:create_app()",
  },
  "the FastAPI template: backend/app/main.py": {
    name: "backend",
    tree: {
      "app/__init__.py": "",
      "app/api/__init__.py": "",
      "app/api/main.py": "from fastapi import APIRouter\napi_router = APIRouter()\n",
      "app/main.py":
        "import sentry_sdk\nfrom fastapi import FastAPI\nfrom app.api.main import api_router\nfrom app.core.config import settings\n\nif settings.SENTRY_DSN:\n    sentry_sdk.init()\n\napp = FastAPI(title=settings.PROJECT_NAME)\napp.include_router(api_router)\n",
    },
    found: "app.main:app",
  },
  "the FastAPI template from its root": {
    tree: { "backend/app/__init__.py": "", "backend/app/main.py": FASTAPI },
    found:
      /^backend\/app\/main.py has the FastAPI object app: typhon app.main:app --app-dir backend$/m,
  },
  "re-exported from a package": {
    tree: {
      "main.py": "from shop import app\n",
      "shop/__init__.py": "from .factory import site as app\n",
      "shop/factory.py": "from flask import Flask\nsite = Flask(__name__)\n",
    },
    found: "main:app",
  },
  "re-exported with a star": {
    tree: { "main.py": "from factory import *\n", "factory.py": FLASK },
    found: "main:app",
  },
  "a submodule of the name app is no application": {
    tree: { "main.py": "from pack import app\n", "pack/__init__.py": "", "pack/app.py": "x = 1" },
    found: /^no application given/,
  },
  "a factory of another module": {
    tree: {
      "wsgi.py": "from shop import create_app\nsite = create_app()\n",
      "shop.py": "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n",
    },
    found: "wsgi:site",
  },
  "a task queue of another module": {
    tree: {
      "main.py": "from tasks import app\n",
      "tasks.py": "from celery import Celery\napp = Celery()",
    },
    found: /^app of main.py is a task queue$/m,
  },
  "modules that import one another": {
    tree: { "main.py": "from app import app\n", "app.py": "from main import app\n" },
    found: /^no application given/,
  },
  "app.py beside the package app/": {
    tree: { "app.py": FLASK, "app/__init__.py": "x = 1" },
    found: /^app.py is never imported, because the package app\/ has its name$/m,
  },
  "the folder is a package itself": {
    name: "shop",
    tree: { "__init__.py": "", "main.py": `from .x import y\n${FLASK}`, "x.py": "y = 1" },
    found: "shop.main:app in ..",
  },
  "a module of another name is told": {
    tree: { "hello.py": FLASK },
    found: /^hello.py has the Flask object app: typhon hello:app$/m,
  },
  "a package of another name is told": {
    tree: {
      "flaskr/__init__.py": "from flask import Flask\ndef create_app():\n    return Flask('x')",
    },
    found: /^flaskr\/__init__.py has .*: typhon 'flaskr:create_app\(\)'$/m,
  },
  "a package in src/ is told": {
    tree: {
      "src/task_app/__init__.py":
        "from flask import Flask\ndef create_app() -> Flask:\n    return Flask('x')",
    },
    found: /^src\/task_app\/__init__.py has .*: typhon 'task_app:create_app\(\)' --app-dir src$/m,
  },
  "a Django project below is told": {
    tree: { "site/manage.py": MANAGE },
    found: /^site\/ has manage.py: typhon --app-dir site$/m,
  },
  "a folder of programs is told": {
    tree: { "cgi-bin/hello.py": "print()" },
    found: /^cgi-bin\/ has CGI programs: typhon --cgi \/cgi-bin=cgi-bin$/m,
  },
  "an empty folder": { tree: {}, found: /without files of Python$/ },
  "index.html without Python": { tree: { "index.html": "", "a/b.css": "" }, found: "site" },
  "index.html and CGI programs": {
    tree: { "index.html": "", "cgi-bin/hello.py": "" },
    found: "site",
  },
  "index.html with Python somewhere below": {
    tree: { "index.html": "", "tools/make.py": "" },
    found: /^no application given/,
  },
  "an application before index.html": {
    tree: { "index.html": "", "app.py": FLASK },
    found: "app:app",
  },
  "[tool.fastapi] before all modules": {
    entrypoint: "backend.web:site",
    tree: { "main.py": FASTAPI, "manage.py": MANAGE, "gunicorn.conf.py": 'wsgi_app = "x:y"' },
    found: "backend.web:site",
  },
  "gunicorn.conf.py before Django": {
    tree: { "gunicorn.conf.py": 'wsgi_app = "shop.wsgi:app"\nworkers = 2', "manage.py": MANAGE },
    found: "shop.wsgi:app",
  },
  "gunicorn's callable without a name": {
    tree: { "gunicorn.conf.py": 'wsgi_app = "shop"' },
    found: "shop:application",
  },
  "gunicorn's chdir": {
    tree: { "gunicorn.conf.py": 'chdir = "web"\nwsgi_app = "shop:create_app()"' },
    found: "shop:create_app() in web",
  },
  "gunicorn.conf.py without wsgi_app": {
    tree: { "gunicorn.conf.py": "workers = 2", "app.py": FLASK },
    found: "app:app",
  },
  "Django's startproject": {
    tree: {
      "manage.py": MANAGE,
      "mysite/__init__.py": "",
      "mysite/settings.py": `${BASE}ROOT_URLCONF = 'mysite.urls'\nWSGI_APPLICATION = 'mysite.wsgi.application'\nSTATIC_URL = 'static/'\n`,
      "mysite/wsgi.py": DJANGO_WSGI,
      "app.py": FLASK,
    },
    found: "mysite.wsgi:application",
  },
  "ASGI_APPLICATION wins": {
    tree: {
      "manage.py": MANAGE,
      "mysite/settings.py":
        "WSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = 'mysite.asgi.application'\n",
      "mysite/asgi.py": "",
      "mysite/wsgi.py": "",
    },
    found: "mysite.asgi:application",
  },
  "an ASGI_APPLICATION whose module is gone": {
    tree: {
      "manage.py": MANAGE,
      "mysite/settings.py":
        "WSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = 'mysite.asgi.application'\n",
      "mysite/wsgi.py": "",
    },
    found: "mysite.wsgi:application",
  },
  "settings without either, and wsgi.py beside them": {
    tree: { "manage.py": MANAGE, "mysite/settings.py": "", "mysite/wsgi.py": DJANGO_WSGI },
    found: "mysite.wsgi:application",
  },
  "the cookiecutter of Django": {
    tree: {
      "manage.py": MANAGE.replace("mysite.settings", "config.settings.local"),
      "config/__init__.py": "",
      "config/settings/__init__.py": "",
      "config/settings/base.py": `${BASE}WSGI_APPLICATION = "config.wsgi.application"\n`,
      "config/settings/local.py":
        "from .base import *  # noqa\nfrom .base import INSTALLED_APPS\nDEBUG = True\n",
      "config/wsgi.py": DJANGO_WSGI,
    },
    found: "config.wsgi:application",
  },
  "DJANGO_SETTINGS_MODULE of the environment": {
    environment: { DJANGO_SETTINGS_MODULE: "mysite.production" },
    tree: {
      "manage.py": MANAGE,
      "mysite/settings.py": "WSGI_APPLICATION = 'a.b'",
      "mysite/production.py":
        "from mysite.settings import *\nWSGI_APPLICATION = 'mysite.prod.application'",
      "mysite/prod.py": "",
    },
    found: "mysite.prod:application",
  },
  "manage.py of another framework": {
    tree: { "manage.py": "from flask_script import Manager\n", "app.py": FLASK },
    found: "app:app",
  },
  "settings that are gone": {
    tree: { "manage.py": MANAGE },
    found: /^manage.py names the settings mysite.settings, which are no readable module here$/m,
  },
};

describe("a folder", () => {
  for (const [what, { tree, name, found: expected, ...given }] of Object.entries(LAYOUTS))
    test(what, () => {
      const folder = folderWith(tree, name);
      const found = words(folder, look(folder, given));
      if (typeof expected === "string") assert.equal(found, expected);
      else assert.match(found, expected);
      assert(found.split("\n").length <= 6, found);
    });
});

describe("Django's static files", () => {
  const SETTINGS = "mysite/settings.py";
  const project = (settings: string, more: Tree = {}) => {
    const wsgi = "WSGI_APPLICATION = 'mysite.wsgi.application'\n";
    const tree = {
      "manage.py": MANAGE,
      "mysite/wsgi.py": "",
      [SETTINGS]: wsgi + settings,
      ...more,
    };
    const folder = folderWith(tree);
    const found = look(folder, { environment: { STATIC: "from-environment" } });
    assert(found.what === "app", words(folder, found));
    return { ...found, root: folder };
  };
  const COLLECTED = { "staticfiles/a.css": "" };
  for (const [what, root] of [
    ["pathlib", `${BASE}STATIC_ROOT = BASE_DIR / "staticfiles"`],
    ["str", `${BASE}STATIC_ROOT = str(BASE_DIR / 'staticfiles')`],
    ["joinpath", `${BASE}STATIC_ROOT = BASE_DIR.joinpath("staticfiles")`],
    [
      "parents",
      `from pathlib import Path\nSTATIC_ROOT = Path(__file__).parents[1] / "staticfiles"`,
    ],
    [
      "os.path",
      "import os\nBASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\nSTATIC_ROOT = os.path.join(BASE, 'staticfiles')",
    ],
    [
      "django-environ",
      "import environ\nROOT = environ.Path(__file__) - 2\nSTATIC_ROOT = str(ROOT('staticfiles'))",
    ],
    ["a relative text", 'STATIC_ROOT = "staticfiles/"'],
    [
      "a default of the environment",
      `import os\n${BASE}STATIC_ROOT = os.environ.get("NONE", BASE_DIR / "staticfiles")`,
    ],
  ] as const)
    test(`are served from STATIC_ROOT: ${what}`, () => {
      const { routes, hints, root: folder } = project(`${root}\nSTATIC_URL = 'static/'`, COLLECTED);
      assert.deepEqual(
        routes.map((one) => [one.prefix, one.folder]),
        [["/static", join(folder, "staticfiles")]],
      );
      assert.deepEqual(hints, []);
    });
  test("a variable of the environment counts", () => {
    const found = project("import os\nSTATIC_URL = '/s/'\nSTATIC_ROOT = os.getenv('STATIC')", {
      "from-environment/a": "",
    });
    assert.deepEqual(
      found.routes.map(({ folder }) => basename(folder)),
      ["from-environment"],
    );
  });
  for (const [what, settings, more, hint] of [
    [
      "no STATIC_ROOT",
      "STATIC_URL = 'static/'",
      {},
      /no STATIC_ROOT, so that \/static\/ is not served: set it, .*collectstatic/,
    ],
    [
      "nothing was collected",
      `${BASE}STATIC_URL = '/static/'\nSTATIC_ROOT = BASE_DIR / 'static'`,
      {},
      /where no files are, .* run python manage.py collectstatic/,
    ],
    [
      "a computed folder",
      "from x import y\nSTATIC_URL = '/static/'\nSTATIC_ROOT = y()",
      {},
      /is not known without running them; to serve it: --static \/static=DIR/,
    ],
    [
      "the project itself",
      `${BASE}STATIC_URL = '/static/'\nSTATIC_ROOT = BASE_DIR`,
      {},
      /holds the project itself; it is not served/,
    ],
    [
      "a folder above it",
      `${BASE}STATIC_URL = '/static/'\nSTATIC_ROOT = BASE_DIR.parent`,
      {},
      /holds the project itself; it is not served/,
    ],
  ] as const)
    test(`are not served, and a hint says why: ${what}`, () => {
      const { routes, hints } = project(settings, more);
      assert.deepEqual(routes, []);
      assert.equal(hints.length, 1);
      assert.match(hints[0] ?? "", hint);
    });
  for (const url of ["https://cdn.example/s/", "//cdn.example/", "/", ""])
    test(`are another server's, or everything: STATIC_URL '${url}'`, () => {
      const { routes, hints } = project(
        `STATIC_URL = '${url}'\nSTATIC_ROOT = 'staticfiles'`,
        COLLECTED,
      );
      assert.deepEqual([routes, hints], [[], []]);
    });
});

describe("what is chosen is told", () => {
  test("with its place", () => {
    const found = look(folderWith({ "app/main.py": FASTAPI }));
    assert.equal(found.what === "app" && found.why, "the FastAPI object app in app/main.py");
  });
  test("and cgi-bin/ is only hinted at", () => {
    const found = look(folderWith({ "app.py": FLASK, "cgi-bin/a.py": "" }));
    assert.deepEqual(found.what === "app" && found.hints, [
      "the programs of cgi-bin/ are not run; to run them: --cgi /cgi-bin=cgi-bin",
    ]);
  });
});

describe("a hostile folder keeps nobody waiting", () => {
  const told = (folder: string): string => words(folder, look(folder));
  test("a pipe in place of a module", () => {
    const folder = folderWith({ "app.py": FLASK });
    execFileSync("mkfifo", [join(folder, "main.py")]);
    assert.equal(told(folder), "app:app");
  });
  test("a device in place of a module", () => {
    const folder = folderWith({ "app.py": FLASK });
    symlinkSync("/dev/zero", join(folder, "main.py"));
    assert.equal(told(folder), "app:app");
  });
  test("loops of symbolic links", () => {
    const folder = folderWith({});
    for (const name of ["app", "src"]) symlinkSync(".", join(folder, name));
    symlinkSync("main.py", join(folder, "main.py"));
    symlinkSync("..", join(folder, "other"));
    assert.match(told(folder), /^no application given/);
  });
  test("a source that is too large, and one that is no text", () => {
    const folder = folderWith({ "main.py": `${FLASK}#${"x".repeat(MAX_SOURCE_BYTES)}` });
    writeFileSync(join(folder, "app.py"), Buffer.from([97, 0, 98]));
    assert.match(told(folder), /^main.py is larger than 256 KiB$/m);
    assert.match(told(folder), /^app.py is no text$/m);
  });
  test("another encoding", () => {
    const folder = folderWith({});
    writeFileSync(
      join(folder, "app.py"),
      Buffer.from(`# -*- coding: latin-1 -*-\nx = "\xe9"\n${FLASK}`, "latin1"),
    );
    assert.equal(told(folder), "app:app");
  });
  test("brackets without end, and garbage", () => {
    const folder = folderWith({
      "main.py": `x = ${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      "app.py": ")(][ if def @ \u0001".repeat(2000),
      "api.py": `x = ${"a.".repeat(50_000)}b`,
      "server.py": `x = ${"f(".repeat(20_000)}`,
    });
    assert.match(told(folder), /^no application given/);
  });
  test("names with many values each", () => {
    const branches = (name: string, next: string): string =>
      Array.from({ length: 8 }, (_, at) => `if x${at}:\n    ${name} = ${next}\n`).join("");
    const source = Array.from({ length: 20 }, (_, at) => branches(`n${at}`, `n${at + 1}`)).join("");
    const folder = folderWith({ "main.py": `${source}\napp = n0\n` });
    assert.match(told(folder), /^no application given/);
  });
  test("thousands of modules that import one another", () => {
    const tree = Object.fromEntries(
      Array.from({ length: 1500 }, (_, at) => [
        `m${at}.py`,
        `from m${at + 1} import *\nfrom m${at + 1} import app`,
      ]),
    );
    const folder = folderWith({ ...tree, "main.py": "from m0 import *\nfrom m0 import app" });
    assert.match(told(folder), /^no application given/);
  });
  test("a closed folder and a closed file", () => {
    const folder = folderWith({ "app.py": FLASK, "main.py": FLASK, "src/main.py": FLASK });
    chmodSync(join(folder, "main.py"), 0);
    chmodSync(join(folder, "src"), 0);
    const isRoot = process.geteuid?.() === 0;
    assert.equal(told(folder), isRoot ? "main:app" : "app:app");
    chmodSync(join(folder, "src"), 0o755);
  });
  test("a name of a folder that Python cannot import", () => {
    const folder = folderWith({}, "my shop 3");
    mkdirSync(join(folder, "my-shop"));
    assert.match(told(folder), /here and in app\/, src\/, my_shop_3\/, with app/);
  });
});
