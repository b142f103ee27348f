// One source of Python after the other, and what is found in it. No Python runs, and no framework is installed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { folderWith, look, words } from "./folder.ts";

const NOTHING = /^no application given, and none found/;

/** [what it is, source of main.py, "main:…" or what is said]. */
const SOURCES: readonly (readonly [string, string, string | RegExp])[] = [
  ["Flask", "from flask import Flask\napp = Flask(__name__)", "main:app"],
  ["Flask by its module", "import flask\napp = flask.Flask(__name__)", "main:app"],
  ["Flask by another name", "from flask import Flask as F\nweb = F(__name__)", "main:web"],
  ["a module by another name", "import flask as f\nweb = f.Flask(__name__)", "main:web"],
  ["an alias of a class", "import fastapi\nApp = fastapi.FastAPI\nsite = App()", "main:site"],
  ["application", "from flask import Flask\napplication = Flask(__name__)", "main:application"],
  ["api", "from fastapi import FastAPI\napi = FastAPI()", "main:api"],
  [
    "the only object",
    "from starlette.applications import Starlette\nshop = Starlette()",
    "main:shop",
  ],
  ["Litestar", "from litestar import Litestar\nx = Litestar([])", "main:x"],
  ["Quart", "from quart import Quart\nx = Quart(__name__)", "main:x"],
  ["Sanic", 'from sanic import Sanic\nx = Sanic("x")', "main:x"],
  ["Bottle", "import bottle\nx = bottle.Bottle()", "main:x"],
  ["Bottle's default", "import bottle\nx = bottle.default_app()", "main:x"],
  ["Falcon", "import falcon\nx = falcon.App()", "main:x"],
  ["Falcon with ASGI", "import falcon.asgi\nx = falcon.asgi.App()", "main:x"],
  ["Django", "from django.core.asgi import get_asgi_application as g\nx = g()", "main:x"],
  [
    "Pyramid",
    "from pyramid.config import Configurator\nwith Configurator() as config:\n    config.scan()\n    site = config.make_wsgi_app()",
    "main:site",
  ],
  [
    "Dash has its application inside",
    "from dash import Dash\napp = Dash(__name__)\nserver = app.server",
    "main:app.server",
  ],
  ["an annotated name", "from fastapi import FastAPI\napp: FastAPI = FastAPI()", "main:app"],
  ["a name with a type alone", "from fastapi import FastAPI\napp: FastAPI\n", NOTHING],
  ["two names at once", "from flask import Flask\napp = application = Flask(__name__)", "main:app"],
  [
    "an alias",
    "from flask import Flask\napplication = Flask(__name__)\napp = application",
    "main:app",
  ],
  ["a pair", "from flask import Flask\napp, debug = Flask(__name__), True", "main:app"],
  ["a walrus", "from flask import Flask\n(app := Flask(__name__))", "main:app"],
  ["several on a line", "from flask import Flask; app = Flask(__name__); x = 1", "main:app"],
  [
    "a wrapper of the same name",
    "from flask import Flask\nfrom werkzeug.middleware.proxy_fix import ProxyFix\napp = Flask(__name__)\napp = ProxyFix(app, x_for=1)",
    "main:app",
  ],
  [
    "a wrapper of another name",
    "from flask import Flask\nfrom w import LogMiddleware\ninner = Flask(__name__)\nouter = LogMiddleware(inner)",
    "main:outer",
  ],
  [
    "an unknown wrapper",
    "from flask import Flask\nfrom w import wrap\ninner = Flask(__name__)\napp = wrap(inner)",
    "main:app",
  ],
  [
    "Socket.IO around FastAPI",
    "import socketio\nfrom fastapi import FastAPI\nsio = socketio.AsyncServer()\nweb = FastAPI()\nsite = socketio.ASGIApp(sio, other_asgi_app=web)",
    "main:site",
  ],
  [
    "Gradio in FastAPI",
    'import gradio as gr\nfrom fastapi import FastAPI\nweb = FastAPI()\nwith gr.Blocks() as demo: pass\napp = gr.mount_gradio_app(web, demo, path="/")',
    "main:app",
  ],
  [
    "an application that is mounted",
    'from fastapi import FastAPI\nadmin = FastAPI()\nmain = FastAPI()\nmain.mount("/admin", admin)',
    "main:main",
  ],
  [
    "api, mounted in app",
    'from fastapi import FastAPI\napp = FastAPI()\napi = FastAPI()\napp.mount("/api", api)',
    "main:app",
  ],
  [
    "app, mounted in api",
    'from fastapi import FastAPI\napp = FastAPI()\napi = FastAPI()\napi.mount("/app", app)',
    "main:api",
  ],
  [
    "mounted by a function",
    'from fastapi import FastAPI\napp = FastAPI()\napi = FastAPI()\ndef setup():\n    app.mount("/api", api)\nsetup()',
    "main:app",
  ],
  [
    "in a dictionary of another",
    "from flask import Flask\nfrom werkzeug.middleware.dispatcher import DispatcherMiddleware\nsite = Flask(__name__)\napi = Flask(__name__)\napp = DispatcherMiddleware(site, {'/api': api})",
    "main:app",
  ],
  [
    "app before others",
    "from flask import Flask\nadmin = Flask('a')\napp = Flask('b')",
    "main:app",
  ],
  [
    "two of one kind",
    "from flask import Flask\na = Flask('a')\nb = Flask('b')",
    /^main.py has 2 applications; name the one that is meant:\n  typhon main:a   \(the Flask object a\)\n  typhon main:b   \(the Flask object b\)$/,
  ],
  [
    "two usual names",
    "from flask import Flask\nfrom fastapi import FastAPI\napp = Flask('a')\napi = FastAPI()",
    /^main.py has 2 applications; .*\n  typhon main:app   \(the Flask object app\)\n  typhon main:api   \(the FastAPI object api\)$/,
  ],
  [
    "two factories",
    "from flask import Flask\ndef create_app(): return Flask('a')\ndef make_app(): return Flask('b')",
    /^main.py has 2 applications; .*\n  typhon 'main:create_app\(\)'   .*\n  typhon 'main:make_app\(\)'/,
  ],
  [
    "a factory",
    "from flask import Flask\ndef create_app():\n    app = Flask(__name__)\n    return app",
    "main:create_app()",
  ],
  [
    "a factory with defaults",
    "from flask import Flask\ndef create_app(config=None, *args, debug=False, **more):\n    return Flask(__name__)",
    "main:create_app()",
  ],
  [
    "a factory whose argument is required",
    "from flask import Flask\ndef create_app(config):\n    return Flask(__name__)",
    /create_app of main.py needs arguments: typhon 'main:create_app\(…\)'/,
  ],
  [
    "a factory with a required keyword",
    "from flask import Flask\ndef create_app(*, config):\n    return Flask(__name__)",
    /create_app of main.py needs arguments/,
  ],
  [
    "a factory by its type alone",
    "from fastapi import FastAPI\nfrom x import build\ndef site() -> FastAPI:\n    return build()",
    "main:site()",
  ],
  [
    "a factory of unknown things",
    "from x import build\ndef create_app():\n    return build()",
    "main:create_app()",
  ],
  [
    "a function that returns a function of two arguments",
    "def compare():\n    def inner(a, b):\n        return a\n    return inner",
    NOTHING,
  ],
  [
    "a factory that is a coroutine",
    "from flask import Flask\nasync def create_app():\n    return Flask(__name__)",
    NOTHING,
  ],
  [
    "a factory that yields",
    "from flask import Flask\ndef create_app():\n    yield Flask(__name__)",
    NOTHING,
  ],
  ["a factory that returns nothing", "def create_app():\n    print(1)", NOTHING],
  [
    "a factory of tests",
    "from flask import Flask\ndef test_app():\n    return Flask(__name__)",
    NOTHING,
  ],
  [
    "the object of a factory before the factory",
    "from flask import Flask\ndef create_app():\n    return Flask(__name__)\nsite = create_app()",
    "main:site",
  ],
  [
    "a factory in a function",
    "from flask import Flask\ndef create_app():\n    def inner():\n        return 1\n    return Flask(__name__)",
    "main:create_app()",
  ],
  [
    "a decorated factory",
    "from flask import Flask\nfrom functools import cache\n@cache\ndef create_app():\n    return Flask(__name__)",
    "main:create_app()",
  ],
  ["a WSGI callable", "def app(environ, start_response):\n    return []", "main:app"],
  ["an ASGI callable", "async def application(scope, receive, send): pass", "main:application"],
  ["a function of another form", "def app(): pass\nasync def application(request): pass", NOTHING],
  ["a lambda", "app = lambda environ, start_response: []", "main:app"],
  [
    "a class of WSGI",
    "class application:\n    def __init__(self, environ, start_response): pass",
    "main:application",
  ],
  [
    "an object with __call__",
    "class App:\n    async def __call__(self, scope, receive, send): pass\napp = App()",
    "main:app",
  ],
  ["an object without __call__", "class App:\n    def run(self): pass\napp = App()", NOTHING],
  [
    "a subclass",
    "from fastapi import FastAPI\nclass Shop(FastAPI): pass\nshop = Shop()",
    "main:shop",
  ],
  [
    "a subclass of a subclass",
    "from flask import Flask\nclass A(Flask): pass\nclass B(A): pass\nshop = B(__name__)",
    "main:shop",
  ],
  [
    "only as a script",
    "from flask import Flask\nif __name__ == '__main__':\n    app = Flask(__name__)\n    app.run()",
    /^app of main.py is made only where the file is run as a script/m,
  ],
  [
    "a script that serves itself",
    "from fastapi import FastAPI\nimport uvicorn\napp = FastAPI()\nif __name__ == '__main__':\n    uvicorn.run('main:app')",
    "main:app",
  ],
  [
    "for types only",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flask import Flask\n    app = Flask(__name__)",
    NOTHING,
  ],
  [
    "the rest of TYPE_CHECKING",
    "import typing\nfrom flask import Flask\nif typing.TYPE_CHECKING:\n    app = None\nelse:\n    app = Flask(__name__)",
    "main:app",
  ],
  [
    "a condition",
    "from flask import Flask\nfrom os import environ\nif environ.get('X'):\n    app = Flask('a')\nelse:\n    app = Flask('b')",
    "main:app",
  ],
  [
    "an expression of a condition",
    "from flask import Flask\nimport os\napp = Flask('a') if os.name else None",
    "main:app",
  ],
  [
    "try",
    "try:\n    from shop import app\nexcept ImportError:\n    from flask import Flask\n    app = Flask(__name__)",
    "main:app",
  ],
  ["deleted again", "from flask import Flask\napp = Flask(__name__)\ndel app", NOTHING],
  ["replaced by None", "from flask import Flask\napp = Flask(__name__)\napp = None", NOTHING],
  ["in a comment", "# app = Flask(__name__)\nx = 1", NOTHING],
  ["in a string", '"""\nfrom flask import Flask\napp = Flask(__name__)\n"""\n', NOTHING],
  [
    "in a function",
    "from flask import Flask\ndef main():\n    app = Flask(__name__)\n    app.run()",
    NOTHING,
  ],
  ["in a class", "from flask import Flask\nclass A:\n    app = Flask(__name__)", NOTHING],
  ["a text of the name", 'app = "flask"\napi = 3', NOTHING],
  [
    "a router",
    "from fastapi import APIRouter\napi = APIRouter()",
    /^api of main.py is a router of FastAPI, not an application$/m,
  ],
  [
    "an extension beside the application",
    "from flask import Flask\nfrom flask_restful import Api\nweb = Flask(__name__)\napi = Api(web)",
    "main:web",
  ],
  [
    "an unknown extension of the name api",
    "from flask import Flask\nfrom ext import Api\napp = Flask(__name__)\napi = Api(app)",
    "main:app",
  ],
  [
    "aiohttp",
    "from aiohttp import web\napp = web.Application()",
    /^app of main.py is an aiohttp application, which speaks neither WSGI nor ASGI; aiohttp is its own server$/m,
  ],
  [
    "Tornado",
    "import tornado.web\napp = tornado.web.Application([])",
    /^app of main.py is a Tornado application/m,
  ],
  [
    "a command-line program",
    "import typer\napp = typer.Typer()",
    /^app of main.py is a command-line program$/m,
  ],
  [
    "a task queue",
    "from celery import Celery\napp = Celery('x')",
    /^app of main.py is a task queue$/m,
  ],
  [
    "Streamlit",
    "import streamlit as st\nst.title('x')",
    /^main.py is a Streamlit script, .*: streamlit run main.py$/m,
  ],
  [
    "Gradio",
    "import gradio as gr\ndemo = gr.Interface(lambda x: x, 'text', 'text')\ndemo.launch()",
    /^demo of main.py is a Gradio interface; write app = gr.mount_gradio_app\(FastAPI\(\), demo, path="\/"\)$/m,
  ],
  [
    "NiceGUI",
    "from nicegui import ui\nui.label('x')\nui.run()",
    /^main.py is a NiceGUI script; write ui.run_with\(app\)/m,
  ],
  [
    "an MCP server",
    "from fastmcp import FastMCP\nmcp = FastMCP('x')",
    /^mcp of main.py is an MCP server; write app = mcp.http_app\(\)/m,
  ],
  [
    "an MCP server's application",
    "from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x')\napp = mcp.streamable_http_app()",
    "main:app",
  ],
  [
    "Bottle without an object",
    "from bottle import route, run\n@route('/')\ndef x(): return ''",
    /^main.py uses the default application of Bottle; write app = bottle.default_app\(\)$/m,
  ],
  ["Shiny", "from shiny import App\nx = App(None, None)", "main:x"],
  [
    "a mistake of syntax elsewhere",
    "from flask import Flask\ndef broken(:\n    pass\napp = Flask(__name__)\n",
    "main:app",
  ],
  [
    "tabs and CRLF",
    "from flask import Flask\r\nif True:\r\n\tapp = Flask(__name__)\r\n",
    "main:app",
  ],
  ["a byte order mark", "\uFEFFfrom flask import Flask\napp = Flask(__name__)", "main:app"],
  [
    "match",
    "from flask import Flask\nmatch 1:\n    case 1:\n        app = Flask(__name__)",
    "main:app",
  ],
  ["with", "from flask import Flask\nwith open('x') as f:\n    app = Flask(__name__)", "main:app"],
  ["an empty file", "", NOTHING],
  ["itself", "app = app\napplication = app\nfrom main import api", NOTHING],
];

describe("in main.py is found", () => {
  for (const [what, source, expected] of SOURCES)
    test(what, () => {
      const folder = folderWith({ "main.py": source });
      const found = words(folder, look(folder));
      if (typeof expected === "string") assert.equal(found, expected);
      else assert.match(found, expected);
      assert(found.split("\n").length <= 6, found);
    });
});
