// The looks of pages that show a developer what went wrong: those of code that does not load, and those that a worker
// makes of exceptions.

export const ERROR_STYLE = `:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { color: light-dark(#b00020, #ff8a8a); font-size: 1.4rem; margin: 1.5rem 0 0.2rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 2rem 0 0; }
.about { color: light-dark(#666, #aaa); margin: 0; overflow-wrap: anywhere; }
.message { font-size: 1.1rem; margin: 0 0 1rem; overflow-wrap: anywhere; white-space: pre-wrap; }
pre, table { background: light-dark(#f4f4f4, #262626); overflow-x: auto; padding: 0.8rem; }
pre, code, td, th { font: 13px/1.5 ui-monospace, monospace; }
mark { background: light-dark(#ffd9d9, #5c2626); color: inherit; display: inline-block; min-width: 100%; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.library { color: light-dark(#666, #aaa); }
table { border-collapse: collapse; display: block; }
th { font-weight: 600; padding-right: 1rem; text-align: left; vertical-align: top; white-space: nowrap; }
td { overflow-wrap: anywhere; white-space: pre-wrap; }
`;
