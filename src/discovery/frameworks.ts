// What is known of classes and functions by their full names: which make an application, which wrap one, and which
// look like an application and are none. Data only.

/** Full name → what it makes, for people. `attribute`: where the object has its application. */
export const APPLICATIONS: ReadonlyMap<
  string,
  { readonly is: string; readonly attribute: string }
> = new Map(
  [
    ["Flask object", "flask.Flask flask.app.Flask"],
    ["APIFlask object", "apiflask.APIFlask apiflask.app.APIFlask"],
    ["OpenAPI object of Flask", "flask_openapi3.OpenAPI"],
    ["Quart object", "quart.Quart quart.app.Quart quart_trio.QuartTrio"],
    ["FastAPI object", "fastapi.FastAPI fastapi.applications.FastAPI"],
    ["Starlette object", "starlette.applications.Starlette"],
    ["Litestar object", "litestar.Litestar litestar.app.Litestar"],
    ["Sanic object", "sanic.Sanic sanic.app.Sanic"],
    ["Bottle object", "bottle.Bottle bottle.app bottle.default_app"],
    ["Falcon application", "falcon.App falcon.API falcon.asgi.App falcon.app.App"],
    [
      "Django application",
      "django.core.wsgi.get_wsgi_application django.core.asgi.get_asgi_application",
    ],
    ["Channels router", "channels.routing.ProtocolTypeRouter"],
    ["BlackSheep application", "blacksheep.Application blacksheep.server.Application"],
    ["Connexion application", "connexion.AsyncApp connexion.FlaskApp connexion.App"],
    ["Emmett application", "emmett.App"],
    ["Esmerald object", "esmerald.Esmerald"],
    ["Ravyn object", "ravyn.Ravyn"],
    ["Lilya object", "lilya.apps.Lilya"],
    ["Shiny application", "shiny.App shiny.express.App"],
    ["Microdot object", "microdot.asgi.Microdot microdot.wsgi.Microdot"],
    ["Morepath application", "morepath.App"],
    ["Pecan application", "pecan.make_app"],
    ["Socket.IO application", "socketio.ASGIApp socketio.WSGIApp socketio.Middleware"],
    ["Engine.IO application", "engineio.ASGIApp engineio.WSGIApp"],
    ["server of Dash", "dash.Dash", "server"],
  ].flatMap(([is = "", names = "", attribute = ""]) =>
    names.split(" ").map((name) => [name, { is, attribute }] as const),
  ),
);

/** Methods whose result is an application, whatever the object. */
export const METHODS: ReadonlyMap<string, string> = new Map([
  ["make_wsgi_app", "application of Pyramid"],
  ["wsgifunc", "application of web.py"],
  ["streamable_http_app", "application of an MCP server"],
  ["sse_app", "application of an MCP server"],
  ["http_app", "application of an MCP server"],
]);

/** Functions and classes that take an application and are one; names that end so are taken for such. */
export const WRAPPER =
  /(?:Middleware|Wrapper|ASGIApp|WSGIApp|ProxyFix|WsgiToAsgi|WhiteNoise|mount_gradio_app)$/;

/** Full name, or its beginning with a dot at the end → why it is no application. Each text continues "NAME is". */
const STRANGERS: readonly (readonly [names: string, why: string])[] = [
  [
    "aiohttp.web.Application",
    "an aiohttp application, which speaks neither WSGI nor ASGI; aiohttp is its own server",
  ],
  [
    "tornado.web.Application",
    "a Tornado application, which speaks neither WSGI nor ASGI; Tornado is its own server",
  ],
  [
    "robyn.Robyn",
    "a Robyn application, which speaks neither WSGI nor ASGI; Robyn is its own server",
  ],
  [
    "gradio.Blocks gradio.Interface gradio.ChatInterface gradio.TabbedInterface",
    'a Gradio interface; write app = gr.mount_gradio_app(FastAPI(), NAME, path="/")',
  ],
  [
    "fastmcp.FastMCP mcp.server.fastmcp.FastMCP mcp.server.FastMCP",
    "an MCP server; write app = NAME.http_app() or NAME.streamable_http_app()",
  ],
  ["socketio.AsyncServer", "a Socket.IO server; write app = socketio.ASGIApp(NAME)"],
  ["socketio.Server", "a Socket.IO server; write app = socketio.WSGIApp(NAME)"],
  ["web.application", "an application of web.py; write app = NAME.wsgifunc()"],
  ["reflex.App", "a Reflex application, which has a command of its own: reflex run"],
  ["fastapi.APIRouter fastapi.routing.APIRouter", "a router of FastAPI, not an application"],
  ["starlette.routing.Router litestar.Router ninja.Router", "a router, not an application"],
  [
    "flask.Blueprint flask.blueprints.Blueprint quart.Blueprint sanic.Blueprint",
    "a blueprint, not an application",
  ],
  [
    "flask_restful.Api flask_restx.Api flask_smorest.Api flask_rest_jsonapi.Api",
    "an extension of Flask, not an application",
  ],
  ["ninja.NinjaAPI ninja_extra.NinjaExtraAPI", "an API of Django Ninja, which Django serves"],
  ["typer.Typer cyclopts.App click.Group", "a command-line program"],
  ["celery.Celery huey.RedisHuey huey.SqliteHuey dramatiq.Broker", "a task queue"],
  ["slack_bolt.App slack_bolt.async_app.AsyncApp", "a Slack bot"],
  ["tkinter.Tk customtkinter.CTk kivy.app.App", "a desktop program"],
  ["textual.app.App", "a terminal program"],
];

const STRANGER_OF: ReadonlyMap<string, string> = new Map(
  STRANGERS.flatMap(([names, why]) => names.split(" ").map((name) => [name, why] as const)),
);

/** Why the object that `name` makes is no application; null: nothing is known of it. */
export function strangerWords(name: string): string | null {
  if (/^(?:PyQt\d|PySide\d)\./.test(name)) return "a desktop program";
  return STRANGER_OF.get(name) ?? null;
}

/** A module that a whole script is written for → how it is run. */
export const SCRIPTS: ReadonlyMap<string, string> = new Map([
  ["streamlit", "is a Streamlit script, which has a server of its own: streamlit run FILE"],
  ["chainlit", "is a Chainlit script, which has a server of its own: chainlit run FILE"],
  ["gradio", 'is a Gradio script; write app = gr.mount_gradio_app(FastAPI(), demo, path="/")'],
  ["nicegui", "is a NiceGUI script; write ui.run_with(app) with app = FastAPI()"],
  ["aiohttp", "uses aiohttp, which speaks neither WSGI nor ASGI and is its own server"],
  ["tornado", "uses Tornado, which speaks neither WSGI nor ASGI and is its own server"],
  ["bottle", "uses the default application of Bottle; write app = bottle.default_app()"],
  ["reflex", "uses Reflex, which has a command of its own: reflex run"],
]);

/** Names of functions that make an application. */
export const FACTORIES: ReadonlySet<string> = new Set([
  "create_app",
  "make_app",
  "get_app",
  "build_app",
  "app_factory",
  "create_application",
  "make_application",
  "get_application",
  "build_application",
  "application_factory",
  "create_api",
  "make_api",
]);
