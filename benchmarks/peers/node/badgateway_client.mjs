// @badgateway/oauth2-client: OAuth2Fetch as its README shows it; a 401 makes it refresh, others wait.
import { OAuth2Client, OAuth2Fetch } from "@badgateway/oauth2-client";

const task = JSON.parse(process.argv[2]);
const client = new OAuth2Client({ server: task.base, clientId: "bench", tokenEndpoint: "/token" });
const stored = { accessToken: task.access_token, refreshToken: task.refresh_token, expiresAt: Date.now() + 3600_000 };
const http = new OAuth2Fetch({
  client,
  scheduleRefresh: false, // a timer would keep the process alive; at this expiry it would be too late anyway
  getStoredToken: () => stored,
  getNewToken: () => null, // a new login is no answer to an expiry
});

const get = async () => {
  const response = await http.fetch(`${task.base}/things`);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(String(response.status));
};
const began = performance.now();
const answers = await Promise.allSettled(Array.from({ length: task.requests }, get));
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ failed: answers.filter(({ status }) => status === "rejected").length, seconds }));
process.exit(0);
