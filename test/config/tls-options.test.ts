// What several options of TLS decide together: addresses and their schemes, pairs of certificates and keys, policies
// for client certificates, the redirect, the folder of state, and who the server becomes.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import type { Configuration, TlsConfiguration } from "../../src/config/configuration.ts";
import { embeddedConfiguration } from "../../src/config/embedded.ts";
import { load } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { readDomain, readIssuer } from "../../src/config/tls-values.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-tls-options-"));
after(() => rmSync(scratch, { recursive: true }));
mkdirSync(join(scratch, "bin"));
writeFileSync(join(scratch, "bin", "python3"), "#!/bin/sh\n");
chmodSync(join(scratch, "bin", "python3"), 0o755);
for (const name of ["a.pem", "a.key", "b.pem", "b.key", "ca.pem"])
  writeFileSync(join(scratch, name), "");

function configure(words: string[], environment: Record<string, string> = {}): Configuration {
  const variables = { PATH: join(scratch, "bin"), HOME: scratch, ...environment };
  return load(["app:app", ...words], variables, scratch);
}

/** The configuration of a file, which names the application. */
function ofFile(text: string, words: string[] = []): Configuration {
  writeFileSync(join(scratch, "site.toml"), `app = "app:app"\n${text}`);
  const variables = { PATH: join(scratch, "bin"), HOME: scratch };
  return load(["--config", "site.toml", ...words], variables, scratch);
}

function tlsOf({ tls }: Configuration): TlsConfiguration {
  assert.ok(tls !== null);
  return tls;
}

function mistake(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.exitCode, 2);
    return error.text;
  }
  return assert.fail("accepted");
}

const CERTIFICATE = ["--certfile", "a.pem", "--keyfile", "a.key"];

function urls(words: string[], environment: Record<string, string> = {}): string | string[] {
  const { bind } = configure(words, environment).listeners;
  if (typeof bind === "string") return bind;
  return bind.map((one) =>
    one.kind === "unix" ? "unix" : `${one.scheme}://${one.host}:${one.port}`,
  );
}

describe("the scheme of an address", () => {
  for (const [words, expected] of [
    [
      ["-b", "a:443", "-b", "b:8443"],
      ["https://a:443", "https://b:8443"],
    ],
    [
      ["-b", "a:443", "-b", "a:80"],
      ["https://a:443", "http://a:80"],
    ],
    [["-b", "https://a:80"], ["https://a:80"]],
    [
      ["-b", "a:443", "-b", "http://a:8000"],
      ["https://a:443", "http://a:8000"],
    ],
    [
      ["-b", "a:443", "-b", "unix:s"],
      ["https://a:443", "unix"],
    ],
    [["--host", "a"], ["https://a:8443"]],
    [["--port", "443"], ["https://127.0.0.1:443"]],
    [["--reload"], ["https://127.0.0.1:8443"]],
    [[], "default-https"],
  ] as const)
    test(`with a certificate: ${words.join(" ") || "nothing"} → ${String(expected)}`, () =>
      assert.deepEqual(urls([...CERTIFICATE, ...words]), expected));
  test("with a certificate, PORT is a port of TLS", () => {
    assert.deepEqual(urls(CERTIFICATE, { PORT: "5000" }), ["https://0.0.0.0:5000"]);
    assert.deepEqual(urls([], { PORT: "5000" }), ["http://0.0.0.0:5000"]);
  });
  test("a domain alone means ports 443 and 80; a local authority alone, this machine", () => {
    assert.equal(urls(["--domain", "a.example"]), "domains");
    assert.deepEqual(urls(["--tls", "internal"]), ["https://127.0.0.1:8443"]);
    assert.equal(urls(["--tls", "internal", ...CERTIFICATE]), "default-https");
  });
  test("one address may not have two schemes", () => {
    const words = [...CERTIFICATE, "-b", "a:443", "-b", "http://a:443"];
    assert.match(
      mistake(() => configure(words)),
      /'http:\/\/a:443' stands twice/,
    );
  });
  test("https:// needs a certificate, and a certificate needs an address of TLS", () => {
    const line = mistake(() => configure(["-b", "https://a:443"]));
    assert.match(line, /^--bind 'https:\/\/a:443' needs a certificate; give --certfile/);
    for (const address of ["http://a:8000", "unix:s", "a:80"])
      assert.match(
        mistake(() => configure([...CERTIFICATE, "-b", address])),
        /^certificates are given and no address speaks TLS; write --bind https:\/\/HOST:PORT$/,
      );
  });
  test("--reload and --domain without an address exclude each other", () => {
    const words = ["--domain", "a.example", "--reload"];
    assert.match(
      mistake(() => configure(words)),
      /^--domain .*--tls internal/,
    );
    assert.deepEqual(urls([...words, "-b", "127.0.0.1:8443"]), ["https://127.0.0.1:8443"]);
  });
});

describe("the redirect to https", () => {
  const redirect = (...words: string[]): boolean =>
    tlsOf(configure([...CERTIFICATE, ...words])).redirect;
  test("is on, unless an address was written to be served without TLS", () => {
    assert.equal(redirect(), true);
    assert.equal(redirect("-b", ":443", "-b", ":80"), true);
    assert.equal(redirect("-b", ":443", "-b", "http://:80"), false);
    assert.equal(redirect("-b", ":443", "-b", "unix:s"), false);
  });
  test("is as the flag says", () => {
    assert.equal(redirect("-b", ":443", "-b", "http://:80", "--http-redirect"), true);
    assert.equal(redirect("--no-http-redirect"), false);
    const inFile = ofFile('certfile = "a.pem"\nhttp-redirect = false\nhttp2 = false');
    assert.equal(tlsOf(inFile).redirect, false);
    assert.equal(inFile.listeners.http2, false);
  });
});

test("an option of domains, or of TLS, without a domain or a certificate is a mistake", () => {
  for (const words of [
    ["--acme-email", "a@example.com"],
    ["--acme-ca", "letsencrypt-staging"],
    ["--acme-profile", "shortlived", ...CERTIFICATE],
    ["--acme-dns-hook", "/bin/true", "--tls", "internal"],
  ])
    assert.equal(
      mistake(() => configure(words)),
      `${words[0]} gets no certificate without --domain NAME`,
    );
  assert.match(
    mistake(() => configure(["--ciphers", "ECDHE+AESGCM"])),
    /^--ciphers needs a certificate/,
  );
});

test("--no-NAME turns off what the file has turned on", () => {
  assert.equal(ofFile("health = true\nh2c = true", ["--no-health"]).process.health, false);
  assert.equal(configure(["--no-http2"]).listeners.http2, false);
  assert.match(
    mistake(() => configure(["--no-http2=1"])),
    /^--no-http2 takes no value$/,
  );
  assert.match(
    mistake(() => configure(["--no-workers"])),
    /^unknown option --no-workers/,
  );
  assert.match(
    mistake(() => configure(["--no-help"])),
    /^unknown option --no-help/,
  );
});

describe("certificates", () => {
  const pair = (name: string, key = `${name}.key`, passwordFile: string | null = null) => ({
    certfile: join(scratch, `${name}.pem`),
    keyfile: join(scratch, key),
    passwordFile,
  });
  test("pairs are in the order of their flags, before those of the file", () => {
    const tables =
      '[[certificates]]\ncertfile = "b.pem"\n[[certificates]]\ncertfile = "a.pem"\nkeyfile = "b.key"\nkeyfile-password-file = "ca.pem"';
    assert.deepEqual(tlsOf(ofFile(tables, CERTIFICATE)).certificates, [
      pair("a"),
      pair("b", "b.pem"),
      pair("a", "b.key", join(scratch, "ca.pem")),
    ]);
    const several = ["--certfile", "b.pem", ...CERTIFICATE, "--keyfile", "b.key"];
    assert.deepEqual(tlsOf(configure(several)).certificates, [
      pair("b", "a.key"),
      pair("a", "b.key"),
    ]);
  });
  test("a table takes nothing from the top level", () => {
    const file = 'keyfile-password-file = "ca.pem"\n[[certificates]]\ncertfile = "b.pem"';
    const [only] = tlsOf(ofFile(file)).certificates;
    assert.equal(only?.passwordFile, null);
  });
  for (const [text, line] of [
    ['certfile = ["a.pem", "b.pem"]\nkeyfile = "a.key"', /2 times and --keyfile once; give one/],
    ['[[certificates]]\nkeyfile = "a.key"', /2: certificates|:2: .*must have one certfile/],
    ['[[certificates]]\ncertfile = ["a.pem", "b.pem"]', /must have one certfile/],
    ['[[certificates]]\ncertfile = "a.pem"\nhost = "a"', /host is no key of \[\[certificates\]\]/],
    ['certificates = "a.pem"', /must be an array of tables: \[\[certificates\]\]/],
    ['keyfile = "a.key"', /^site\.toml:2: keyfile needs a certificate; give --certfile/],
    ["hsts = 5", /hsts needs a certificate/],
    ['cert-reqs = "required"\nca-certs = "ca.pem"', /ca-certs needs a certificate/],
    ['[[client-certificates]]\nhost = "a"', /needs a certificate/],
  ] as const)
    test(`refuses ${text.replaceAll("\n", "; ")}`, () =>
      assert.match(
        mistake(() => ofFile(text)),
        line,
      ));
  test("hsts = 0 and http-redirect = false ask for nothing", () => {
    assert.equal(ofFile('hsts = 0\nhttp-redirect = false\ncert-reqs = "none"').tls, null);
  });
});

describe("client certificates", () => {
  const file = (text: string): TlsConfiguration => tlsOf(ofFile(`certfile = "a.pem"\n${text}`));
  const caCerts = join(scratch, "ca.pem");
  test("a host has its own policy, others that of the top level", () => {
    const { clients } = file(
      'cert-reqs = 2\nca-certs = "ca.pem"\n[[client-certificates]]\nhost = ["open.example", "*.o.example"]\ncert-reqs = "none"\n[[client-certificates]]\nhost = "Ü.example"\ncert-reqs = "optional"\nca-certs = "ca.pem"',
    );
    assert.deepEqual(clients, [
      { host: "open.example", mode: "none", caCerts: "" },
      { host: "*.o.example", mode: "none", caCerts: "" },
      { host: "xn--tda.example", mode: "optional", caCerts },
      { host: "", mode: "required", caCerts },
    ]);
  });
  for (const [text, line] of [
    ['ca-certs = "ca.pem"', /ca-certs asks no client for a certificate; give cert-reqs/],
    ['cert-reqs = "required"', /cert-reqs needs the authorities/],
    ['[[client-certificates]]\ncert-reqs = "none"', /has no host; for every host write/],
    [
      '[[client-certificates]]\nhost = "a"\n[[client-certificates]]\nhost = ["b", "a"]',
      /has host 'a' twice/,
    ],
  ] as const)
    test(`refuses ${text.replaceAll("\n", "; ")}`, () =>
      assert.match(
        mistake(() => file(text)),
        line,
      ));
});

describe("ACME", () => {
  test("reads names as certificates have them", () => {
    for (const [text, name] of [
      ["Example.COM.", "example.com"],
      ["bücher.example", "xn--bcher-kva.example"],
      ["*.Example.com", "*.example.com"],
      ["192.0.2.7", "192.0.2.7"],
      ["[2001:DB8::0:1]", "2001:db8::1"],
    ] as const)
      assert.equal(readDomain(text), name);
    for (const text of ["", "a_b.example", "a..b", "-a.example", "*", "*.com", "a.*.example"])
      assert.throws(() => readDomain(text), /must be a name/, text);
    for (const text of ["https://a.example", "a.example:443", "a.example/b", "localhost"])
      assert.throws(() => readDomain(text), /no scheme, no port|--tls internal/, text);
    for (const text of ["1.2.3", "0x7f.1", "fe80::1%eth0"])
      assert.throws(() => readDomain(text), /must be/, text);
  });
  test("an authority is a name or an https URL", () => {
    assert.equal(readIssuer("https://ca.example/acme?x=1"), "https://ca.example/acme?x=1");
    for (const text of ["", "constructor", "http://ca.example/", "https://u:p@ca.example/", "ca"])
      assert.throws(() => readIssuer(text), /must be letsencrypt/, text);
  });
  for (const [words, line] of [
    [["--domain", "*.a.example"], /^--domain '\*\.a\.example' is a wildcard.*--acme-dns-hook/],
    [["--domain", "a.example", "--acme-ca", "zerossl"], /needs --acme-eab-kid/],
    [["--domain", "a.example", "--acme-eab-kid", "k"], /belong together/],
    [["--domain", "a.example", "--acme-fallback-ca", "letsencrypt"], /the authority of --acme-ca/],
    [["--domain", "a.example", "--acme-fallback-ca", "zerossl"], /external account binding/],
  ] as const)
    test(`refuses ${words.join(" ")}`, () =>
      assert.match(
        mistake(() => configure([...words])),
        line,
      ));
  test("a name that is given twice is ordered once", () => {
    const { acme } = tlsOf(configure(["--domain", "A.example", "--domain", "a.example"]));
    assert.deepEqual(acme?.domains, ["a.example"]);
  });
});

describe("the folder of state", () => {
  const stateDir = (environment: Record<string, string>, ...words: string[]): string =>
    tlsOf(configure(["--tls", "internal", ...words], environment)).stateDir;
  test("is systemd's, else that of the user's data", () => {
    assert.equal(stateDir({}), join(scratch, ".local/share/typhon"));
    assert.equal(stateDir({ XDG_DATA_HOME: scratch }), join(scratch, "typhon"));
    assert.equal(stateDir({ XDG_DATA_HOME: "data" }), join(scratch, ".local/share/typhon"));
    const ofUnit = { STATE_DIRECTORY: `${scratch}/x:/other`, XDG_DATA_HOME: scratch };
    assert.equal(stateDir(ofUnit), join(scratch, "x"));
    assert.equal(stateDir(ofUnit, "--acme-dir", "here"), join(scratch, "here"));
  });
  test("must be one that can be made", () => {
    const none = { HOME: "", XDG_DATA_HOME: "" };
    assert.match(
      mistake(() => stateDir(none)),
      /name one with --acme-dir/,
    );
    const inFile = join(scratch, "a.pem");
    assert.match(
      mistake(() => stateDir({}, "--acme-dir", inFile)),
      /^--acme-dir '.*a\.pem' is no folder/,
    );
  });
  test("does not matter where nothing is kept in it", () => {
    assert.equal(tlsOf(configure(CERTIFICATE, { HOME: "" })).certificates.length, 1);
  });
});

describe("--user", () => {
  test("--group alone, and a number without a group, are mistakes", () => {
    assert.match(
      mistake(() => configure(["--group", "0"])),
      /^--group needs --user/,
    );
    const line = mistake(() => configure(["--user", "3999999999"]));
    assert.match(line, /no user has this number.*give --group too/);
  });
  test("only root becomes another user, and no user with root's rights", () => {
    const isRoot = process.geteuid?.() === 0;
    const words = isRoot ? ["--user", "0", "--group", "12345"] : ["--user", "0"];
    const line = isRoot ? /keeps root's rights; name another/ : /only root may become/;
    assert.match(
      mistake(() => configure(words)),
      line,
    );
  });
  test("the file of a Unix socket belongs to the user", () => {
    const user = String(process.getuid?.());
    const { socketRights } = configure(["--user", user, "-b", "unix:s"]).listeners;
    assert.deepEqual(socketRights.owner, { uid: process.getuid?.(), gid: process.getgid?.() });
  });
  test("a program that embeds Typhon changes its user itself", () => {
    const options = { app: "app:app", python: join(scratch, "bin/python3") };
    const withUser = { ...options, user: String(process.getuid?.()) };
    assert.match(
      mistake(() => embeddedConfiguration(withUser, scratch)),
      /a program changes its user itself/,
    );
  });
  test("a program that embeds Typhon decides itself when it stops", () => {
    const options = { app: "app:app", python: join(scratch, "bin/python3") };
    const delayed = { ...options, drainDelay: 5 };
    assert.match(
      mistake(() => embeddedConfiguration(delayed, scratch)),
      /^--drain-delay is for the command/,
    );
  });
});

test("a program gives certificates as tables", () => {
  const { tls } = embeddedConfiguration(
    {
      app: "app:app",
      python: join(scratch, "bin/python3"),
      certificates: [{ certfile: "a.pem", keyfile: "a.key" }],
      clientCertificates: [{ host: "a.example", caCerts: "ca.pem", certReqs: "required" }],
    },
    scratch,
  );
  assert.equal(tls?.certificates[0]?.keyfile, join(scratch, "a.key"));
  assert.deepEqual(tls.clients, [
    { host: "a.example", mode: "required", caCerts: join(scratch, "ca.pem") },
  ]);
});
