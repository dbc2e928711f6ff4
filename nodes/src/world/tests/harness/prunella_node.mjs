// A reporter of node's test runner: one JSON object a line, what the judge needs of each event.
// It runs in the runner's own process, which loads no file of the repository.

function failure(error) {
  const cause = error?.cause instanceof Error ? error.cause : error;
  return {
    k: String(cause?.name ?? error?.failureType ?? 'Error').slice(0, 200),
    m: String(cause?.message ?? error?.cause ?? error).slice(0, 4000),
  };
}

export default async function* report(source) {
  for await (const { type, data } of source) {
    const t = type.startsWith('test:') ? type.slice(5) : type;
    const place = { t, n: String(data?.name ?? ''), l: data?.nesting ?? 0, f: String(data?.file ?? '') };
    if (t === 'start') {
      yield JSON.stringify(place) + '\n';
    } else if (t === 'pass' || t === 'fail') {
      // `false` is what tells that there is neither.
      const aside = (data.skip ?? false) !== false || (data.todo ?? false) !== false;
      const error = t === 'fail' ? failure(data.details?.error) : {};
      yield JSON.stringify({ ...place, ms: data.details?.duration_ms, s: aside, ...error }) + '\n';
    } else if (t === 'stderr') {
      yield JSON.stringify({ t, f: place.f, m: String(data.message).slice(0, 4000) }) + '\n';
    }
  }
  yield JSON.stringify({ t: 'end' }) + '\n';
}
