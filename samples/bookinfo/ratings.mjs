/** ratings: how many stars each reviewer gave. */
import { idIn, sendJson, serve } from "./service.mjs";

const ratingsMax = 1000;
const given = { Reviewer1: 5, Reviewer2: 4 };
const changed = new Map();

serve("ratings", async (request, response, { pathname }) => {
  const id = idIn(pathname, "ratings");
  if (id === undefined) return sendJson(response, 404, { error: `nothing at ${pathname}` });
  if (request.method === "POST") return change(request, response, id);
  return sendJson(response, 200, { id, ratings: changed.get(id) ?? given });
});

async function change(request, response, id) {
  const ratings = await starsIn(request);
  if (ratings === undefined)
    return sendJson(response, 400, { error: 'expected {"reviewer": 1 to 5, ...}' });
  if (changed.size >= ratingsMax && !changed.has(id))
    return sendJson(response, 507, { error: `no room for more than ${ratingsMax} books` });
  changed.set(id, ratings);
  return sendJson(response, 200, { id, ratings });
}

async function starsIn(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > 10_000) return undefined;
  }
  try {
    const ratings = JSON.parse(text);
    const stars = Object.values(ratings);
    const good = stars.every((count) => Number.isInteger(count) && count >= 1 && count <= 5);
    return good && stars.length > 0 && !Array.isArray(ratings) ? ratings : undefined;
  } catch {
    return undefined;
  }
}
