// What is random, large or repeated has a short form for npm test; TEST_LONG=1 runs it in full, as a section
// of npm run test:all does.

export const IS_LONG: boolean = process.env["TEST_LONG"] === "1";
