// What the drivers for Node have in common; `telling.py` is the same for Python.

const AT_ONCE = 4;
const ROWS = [];

export const FACTS = JSON.parse(process.argv[2]);

// Make a function that tells what came of a call a row of the table.
export function row(call, name, work) {
  ROWS.push({ call, case: name, work });
}

// Do all rows, some at a time, and print what each tells, a line of JSON each.
export async function main(version) {
  console.log(JSON.stringify({ version }));
  const left = [...ROWS];
  const worker = async () => {
    for (let one = left.shift(); one; one = left.shift()) {
      const told = await one.work().catch((error) => error.stack ?? String(error));
      console.log(JSON.stringify({ call: one.call, case: one.case, told }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

// Return the format of an image, and the size of a PNG.
export function picture(data) {
  if (data.subarray(1, 4).toString() === "PNG") return `PNG ${data.readUInt32BE(16)}x${data.readUInt32BE(20)}`;
  if (data[0] === 0xff && data[1] === 0xd8) return "JPEG";
  if (data.subarray(8, 12).toString() === "WEBP") return "WebP";
  return `no image: ${data.subarray(0, 200)}`;
}
