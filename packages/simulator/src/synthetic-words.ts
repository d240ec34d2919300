/** The vocabulary of synthetic populations: interests, what they are about, and the forms their items take. */

/** An interest group: its tag and eight subjects. */
export interface Theme {
  readonly tag: string;
  readonly subjects: readonly string[];
}

function theme(tag: string, subjects: string): Theme {
  return { tag, subjects: subjects.split(", ") };
}

/** One theme per interest group. No two share a subject. */
export const THEMES: readonly Theme[] = [
  theme("cooking", "sourdough, curry, fresh pasta, fermentation, barbecue, pastry, sushi, street food"),
  theme(
    "hiking",
    "alpine trails, coastal paths, backpacking, map reading, winter huts, canyons, forest walks, trail snacks",
  ),
  theme(
    "jazz",
    "bebop, swing, walking bass, improvisation, big band, saxophone, modal harmony, brush drumming",
  ),
  theme(
    "chess",
    "openings, endgames, rook sacrifices, blitz, checkmate patterns, pawn structures, correspondence play, grandmasters",
  ),
  theme("gardening", "tomatoes, roses, composting, herbs, pruning, greenhouses, wildflowers, raised beds"),
  theme(
    "astronomy",
    "nebulae, telescopes, meteor showers, black holes, exoplanets, moon phases, star charts, comets",
  ),
  theme(
    "cycling",
    "gravel roads, mountain passes, sprint training, bicycle repair, bikepacking, time trials, urban commuting, velodromes",
  ),
  theme(
    "photography",
    "portraits, long exposure, film cameras, macro lenses, black and white, street scenes, darkrooms, golden hour",
  ),
  theme(
    "programming",
    "compilers, web servers, functional style, databases, debugging, type systems, algorithms, embedded devices",
  ),
  theme(
    "history",
    "ancient Rome, the silk road, medieval towns, the Renaissance, Viking ships, industrial revolution, lost scripts, castles",
  ),
  theme(
    "football",
    "penalties, tactics, goalkeepers, derby days, youth academies, free kicks, transfer rumours, world cups",
  ),
  theme(
    "knitting",
    "cable stitches, lace shawls, wool dyeing, socks, crochet edges, sweaters, mittens, colourwork",
  ),
  theme(
    "sailing",
    "knots, coastal navigation, spinnakers, dinghy racing, tides, ocean crossings, boat maintenance, anchoring",
  ),
  theme(
    "yoga",
    "breathing, sun salutations, balance poses, meditation, hip openers, restorative practice, headstands, flexibility",
  ),
  theme("birdwatching", "owls, migration, feeders, bird songs, wetlands, raptors, nest boxes, hummingbirds"),
  theme("poetry", "sonnets, haiku, free verse, ballads, translation, spoken word, metaphor, elegies"),
  theme(
    "woodworking",
    "dovetail joints, hand planes, bowl turning, oil finishes, chair making, carving, workbenches, marquetry",
  ),
  theme(
    "mystery",
    "locked rooms, detectives, cold cases, spies, unreliable witnesses, heists, forensic clues, country houses",
  ),
  theme(
    "travel",
    "night trains, island hopping, packing light, markets, language basics, hostels, deserts, border crossings",
  ),
  theme(
    "parenting",
    "bedtime, first words, toddlers, school lunches, siblings, teenagers, family games, baby sleep",
  ),
  theme(
    "finance",
    "index funds, budgeting, pensions, mortgages, compound interest, taxes, bonds, emergency savings",
  ),
  theme(
    "aquariums",
    "coral reefs, plant tanks, water chemistry, cichlids, shrimp, filters, goldfish, aquascaping",
  ),
  theme(
    "robotics",
    "servo motors, line followers, drones, sensors, kinematics, robot arms, path planning, soldering",
  ),
  theme("opera", "arias, Verdi, stage design, mezzo voices, librettos, Mozart, overtures, Wagner"),
];

/** The forms a series of items takes; also its tag. */
export const FORMATS: readonly string[] = [
  "workshop",
  "stories",
  "for beginners",
  "masterclass",
  "field notes",
  "weekend challenge",
  "interviews",
  "from scratch",
];
