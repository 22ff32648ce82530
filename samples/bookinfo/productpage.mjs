/** productpage: the page that people see. It asks details and reviews by name, and passes on who asks. */
import { landingPage, productPage } from "./page.mjs";
import { getJson, headersToPassOn, sendJson, serve } from "./service.mjs";

const {
  DETAILS_URL: detailsUrl = "http://details:9080",
  REVIEWS_URL: reviewsUrl = "http://reviews:9080",
  RATINGS_URL: ratingsUrl = "http://ratings:9080",
} = process.env;

const timeoutMs = 3_000;
const reviewsAttempts = 2;
const formBytesMax = 4_096;

const product = {
  id: 0,
  title: "The Comedy of Errors",
  description:
    "Shakespeare's shortest play, and one of his first: two masters, each looking for his twin, come to the same town with two servants who are twins as well. Everybody takes everybody for somebody else, from breakfast until an abbess sorts it out at sunset.",
};

serve("productpage", (request, response, url) => {
  switch (url.pathname) {
    case "/":
      return sendPage(response, 200, landingPage(product));
    case "/productpage":
      return showProduct(request, response);
    case "/login":
      return request.method === "POST" ? login(request, response) : toProduct(response, []);
    case "/logout":
      return toProduct(response, ["user=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"]);
    default:
      return answerApi(request, response, url.pathname);
  }
});

async function showProduct(request, response) {
  const user = userOf(request);
  const headers = callHeaders(request, user);
  const [details, reviews] = await Promise.all([
    getJson(`${detailsUrl}/details/${product.id}`, headers, timeoutMs),
    askReviews(product.id, headers),
  ]);
  sendPage(response, 200, productPage({ product, user, details, reviews }));
}

/** Asks twice and waits three seconds each time: together less than what reviews v2 grants to ratings. */
async function askReviews(id, headers) {
  let answer;
  for (let attempt = 0; attempt < reviewsAttempts; attempt++) {
    answer = await getJson(`${reviewsUrl}/reviews/${id}`, headers, timeoutMs);
    if (answer.status === 200) break;
  }
  return answer;
}

async function answerApi(request, response, path) {
  const headers = callHeaders(request, userOf(request));
  const [, id, part] = path.match(
    /^\/api\/v1\/products(?:\/(\d{1,9})(?:\/(reviews|ratings))?)?$/,
  ) ?? [undefined, "none"];
  if (id === "none") return sendJson(response, 404, { error: `nothing at ${path}` });
  if (id === undefined) return sendJson(response, 200, [product]);
  const answer = await {
    reviews: () => askReviews(id, headers),
    ratings: () => getJson(`${ratingsUrl}/ratings/${id}`, headers, timeoutMs),
    details: () => getJson(`${detailsUrl}/details/${id}`, headers, timeoutMs),
  }[part ?? "details"]();
  const unavailable = { error: `Sorry, product ${part ?? "details"} are currently unavailable.` };
  return sendJson(response, answer.status || 500, answer.body ?? unavailable);
}

function callHeaders(request, user) {
  const headers = headersToPassOn(request);
  return user === undefined ? headers : { ...headers, "end-user": user };
}

function userOf(request) {
  const [, user] =
    (request.headers.cookie ?? "").match(/(?:^|;\s*)user=([A-Za-z0-9._@-]{1,64})/) ?? [];
  return user;
}

/** Any name will do and no password: it is a sample. */
async function login(request, response) {
  let form = "";
  for await (const chunk of request.setEncoding("utf8")) {
    form += chunk;
    if (form.length > formBytesMax) return sendJson(response, 413, { error: "too much" });
  }
  const user = (new URLSearchParams(form).get("username") ?? "").replace(/[^A-Za-z0-9._@-]/g, "");
  const cookie = `user=${user.slice(0, 64)}; Path=/; HttpOnly; SameSite=Lax`;
  return toProduct(response, user === "" ? [] : [cookie]);
}

function toProduct(response, cookies) {
  response.writeHead(302, { location: "/productpage", "set-cookie": cookies });
  response.end();
}

function sendPage(response, status, html) {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(html);
}
