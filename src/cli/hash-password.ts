// `typhon hash-password [USER]`: prints the hash of a password, or with a user the line for a password file. The
// password comes from the terminal, where it is not shown, or is one line of standard input.

import { createInterface } from "node:readline";

import { OperatorError, quote } from "../config/operator-error.ts";

export const HASH_PASSWORD = "hash-password";

export const HASH_PASSWORD_HELP = `Usage: typhon hash-password [USER]

Asks for a password and prints its scrypt hash; with USER the line USER:HASH
for the file of basic-auth. Without a terminal the password is the first line
of standard input.
`;

/** Resolves with the line to print. Throws OperatorError. */
export async function hashPasswordLine(user: string | null): Promise<string> {
  if (user !== null && (user === "" || user.trim() !== user || /[:\p{Cc}]|^#/u.test(user)))
    throw new OperatorError(
      `USER ${quote(user)} must not be empty, have ":" or spaces at its ends, or begin with "#"`,
    );
  const password = process.stdin.isTTY ? await askTwice() : await readLine("", false);
  if (password === "") throw new OperatorError("the password must not be empty");
  // All bytes that are no UTF-8 are one character, so that one such password would be as good as another.
  if (password.includes("\ufffd")) throw new OperatorError("the password must be text in UTF-8");
  // A dynamic import: a mistyped command must not wait for modules that it does not need.
  const { hashPassword } = await import("../handlers/policy/password-hash.ts");
  const { MAX_CREDENTIAL_BYTES } = await import("../handlers/policy/basic-auth.ts");
  if (Buffer.byteLength(`${user ?? ""}:${password}`) > MAX_CREDENTIAL_BYTES)
    throw new OperatorError(
      `the password is too long: user and password together have at most ${MAX_CREDENTIAL_BYTES - 1} bytes`,
    );
  const hash = await hashPassword(password);
  return user === null ? hash : `${user}:${hash}`;
}

async function askTwice(): Promise<string> {
  const password = await readLine("Password: ", true);
  if ((await readLine("The same again: ", true)) === password) return password;
  throw new OperatorError("the two passwords differ");
}

/** Reads one line; the prompt goes to standard error. `isSecret`: what is typed is not shown. */
async function readLine(prompt: string, isSecret: boolean): Promise<string> {
  process.stderr.write(prompt);
  // Without an output readline shows nothing of what is typed, and takes the terminal's echo off.
  const lines = createInterface({ input: process.stdin, terminal: isSecret });
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    lines.close();
    if (isSecret) process.stderr.write("\n");
  }
}
