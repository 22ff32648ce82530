/**
 * reviews: what people say about a book. SERVICE_VERSION chooses which of three releases this is: v1 asks nobody, v2 adds the stars of
 * ratings in black, v3 in red.
 */
import { getJson, headersToPassOn, idIn, sendJson, serve } from "./service.mjs";

const { SERVICE_VERSION: version = "v1", RATINGS_URL: ratingsUrl = "http://ratings:9080" } =
  process.env;
const color = { v2: "black", v3: "red" }[version];
// v2 waits longer for ratings than its own caller waits for it: the classic fault that a delay of 7 s brings to light. v3 has it mended.
const ratingsTimeoutMs = version === "v2" ? 10_000 : 2_500;

const reviews = [
  {
    reviewer: "Reviewer1",
    text: "Two pairs of twins, one confused town and not a quiet minute. I laughed on the train and missed my stop.",
  },
  {
    reviewer: "Reviewer2",
    text: "Short, quick and funny to the last page, even if nobody in it ever asks the one question that would end it.",
  },
];

serve(`reviews ${version}`, async (request, response, { pathname }) => {
  const id = idIn(pathname, "reviews");
  if (id === undefined) return sendJson(response, 404, { error: `nothing at ${pathname}` });
  const ratings = color === undefined ? undefined : await ratingsOf(id, request);
  return sendJson(response, 200, {
    id: String(id),
    podname: `reviews-${version}`,
    version,
    reviews: reviews.map((review) => withRating(review, ratings)),
  });
});

async function ratingsOf(id, request) {
  const url = `${ratingsUrl}/ratings/${id}`;
  const { body } = await getJson(url, headersToPassOn(request), ratingsTimeoutMs);
  return body?.ratings ?? "unavailable";
}

function withRating(review, ratings) {
  if (ratings === undefined) return review;
  if (ratings === "unavailable")
    return { ...review, rating: { error: "Ratings service is currently unavailable" } };
  return { ...review, rating: { stars: ratings[review.reviewer] ?? 0, color } };
}
