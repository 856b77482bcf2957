// One JSON object a check on standard output, read by `run_node` of harness.py.

export const settings = JSON.parse(process.argv[2] ?? "{}");

const print = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

/** Runs one check; whatever it throws, or no end within `seconds`, is a failure. */
export async function check(name, run, seconds = 30) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([run(), late]);
    print({ name });
  } catch (error) {
    print({ name, problem: String(error?.message ?? error).slice(0, 600) });
  } finally {
    clearTimeout(timer);
  }
}

/** Says that every check was run, and ends. */
export function done() {
  process.stdout.write('{"done": true}\n', () => process.exit(0));
}

export function expectEqual(actual, expected, what = "value") {
  const [a, e] = [actual, expected].map((value) => JSON.stringify(value)?.slice(0, 200));
  if (a !== e || JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${e}, got ${a}`);
  }
}
