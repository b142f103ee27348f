// A process that keeps certificates, for tests that kill it. Its argument is JSON; it writes events to its output.

import assert from "node:assert/strict";

import { CertificateKeeper } from "../../src/acme/keeper.ts";
import { readRecord } from "./json.ts";

const { folder, directoryUrl, caRoot, names } = readRecord(process.argv[2] ?? "");
assert(typeof folder === "string" && typeof directoryUrl === "string");
assert(typeof caRoot === "string" && typeof names === "string");
const keeper = new CertificateKeeper({
  groups: [names.split(",")],
  issuers: [{ directoryUrl, caRoot, eab: null, profile: "" }],
  email: "",
  folder,
  dnsHook: null,
  environment: {},
  ports: { http: true, https: false },
  userAgent: "test",
  onCertificate: () => {},
  onEvent: (event) => console.log(JSON.stringify(event)),
});
await keeper.load();
await keeper.start();
