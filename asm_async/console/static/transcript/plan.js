// Which rows a stretch of entries makes: mostly one for each.

/**
 * List the rows for the entries from one number to another.
 *
 * A result is part of its call's row, and adjacent pieces of a streamed message are one
 * row. A row's `signature` is another one whenever it would look otherwise.
 */
export function plan(log, first, last, view) {
  const rows = [];
  const failed = new Map();
  let day = null;
  for (let sequence = first; sequence <= last; sequence += 1) {
    const entry = log.get(sequence);
    if (!entry) continue;
    const before = rows.at(-1);
    if (entry.kind === "tool_result" && log.hostOf(entry)) {
      noteFailure(failed, entry);
      continue;
    }
    if (entry.kind === "delta" && before?.entry.kind === "delta"
      && before.pieces.at(-1).sequence === sequence - 1 && before.entry.message_id === entry.message_id) {
      before.pieces.push(entry);
      continue;
    }
    const row = { sequence, entry, pieces: [entry] };
    row.isRetracted = log.isRetracted(sequence);
    row.startsDay = day !== new Date(entry.time).toDateString();
    day = new Date(entry.time).toDateString();
    if (entry.kind === "tool_call") {
      row.result = log.resultOf(entry);
      row.isRetry = failed.get(toolKey(entry)) === true;
    } else noteFailure(failed, entry);
    rows.push(row);
  }
  rows.numbers = new Set();
  for (const row of rows) {
    rows.numbers.add(row.sequence);
    row.isWhole = row.entry.kind === "delta" && log.hasMessage(row.entry.message_id);
    row.signature = signatureOf(row, view);
  }
  return rows;
}

function signatureOf(row, view) {
  const { entry, pieces, result } = row;
  return [
    entry.is_cut, pieces.length, row.isRetracted, row.startsDay, row.isRetry, row.isWhole,
    result && [result.sequence, result.is_cut], entry.kind === "run_end" && view.runs.get(entry.run_id)?.revision,
  ].join();
}

const toolKey = (entry) => `${entry.run_id ?? ""}\n${entry.tool.name}`;

function noteFailure(failed, entry) {
  if (entry.kind === "tool_result") failed.set(toolKey(entry), entry.tool.is_error);
}
