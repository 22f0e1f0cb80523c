// The page of a migration. Each part of it is a module that hears of what has
// changed and draws itself; live.js brings the news.

import * as live from "./live.js";
import * as signin from "./signin.js";
import * as notices from "./notices.js";
import * as headline from "./headline.js";
import * as track from "./track.js";
import * as act from "./act.js";
import * as controls from "./controls.js";
import * as doing from "./doing.js";
import * as plan from "./plan.js";
import * as charts from "./charts.js";
import * as agents from "./agents.js";
import * as copies from "./copies.js";
import * as divergences from "./divergences.js";
import * as pins from "./pins.js";
import * as log from "./log.js";

for (const part of [signin, notices, headline, track, act, controls, doing, plan, charts, agents, copies, divergences, pins, log]) part.start();
live.begin();
