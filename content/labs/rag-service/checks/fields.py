"""What the insurer's clauses are about: wordings of clauses, plain questions and paraphrased questions.

``{p}`` is the plan's name and ``{v}`` the value with its unit ("18 months"). A plain question shares its key words
with the clause; a paraphrased one shares none of them, only the plan's name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One regulated matter. ``low`` to ``high`` (inclusive, in steps of ``step``) bounds the number."""

    topic: str
    unit: str
    low: int
    high: int
    step: int
    clauses: tuple[str, ...]
    plain: tuple[str, ...]
    paraphrased: tuple[str, ...]


FIELDS: tuple[Field, ...] = (
    Field(
        "warranty", "months", 6, 96, 1,
        (
            "The warranty of the {p} plan ends {v} after delivery.",
            "Goods insured under {p} carry a warranty of {v}.",
            "{p} includes a warranty that runs for {v}.",
        ),
        ("How many months does the warranty of {p} run?", "For how many months is the {p} warranty valid?"),
        (
            "For how many months will {p} fix a device that breaks?",
            "If my machine stops working, how many months am I protected by {p}?",
            "How many months can I have a broken appliance mended for free with {p}?",
        ),
    ),
    Field(
        "refunds", "days", 2, 40, 1,
        (
            "Refunds owed under {p} are transferred within {v}.",
            "The insurer settles a refund on {p} no later than {v} after the claim was accepted.",
            "A customer of {p} receives any refund within {v}.",
        ),
        ("Within how many days are refunds under {p} transferred?", "How many days does a refund on {p} take?"),
        (
            "How many days until I get my money back from {p}?",
            "After how many days does {p} give back what I overpaid?",
            "I want my payment returned by {p}: how many days must I wait?",
        ),
    ),
    Field(
        "deductible", "dollars", 50, 1500, 10,
        (
            "Under {p} the deductible is {v} per claim.",
            "The policyholder of {p} bears a deductible of {v} for each claim.",
            "{p} applies a deductible of {v} to every claim.",
        ),
        ("How many dollars is the deductible of {p}?", "What is the deductible per claim under {p} in dollars?"),
        (
            "How many dollars of a claim must I pay alone with {p}?",
            "What is my own contribution to a loss in dollars with {p}?",
            "How many dollars of each loss must I contribute myself with {p}?",
        ),
    ),
    Field(
        "termination", "days", 7, 120, 1,
        (
            "The {p} contract may be terminated with {v} of written notice.",
            "Either party may terminate {p} by giving notice of {v}.",
            "Termination of {p} requires a notice period of {v}.",
        ),
        ("How many days of notice does termination of {p} require?", "What is the notice period of {p} in days?"),
        (
            "How many days before I quit {p} must I tell you in writing?",
            "I want to cancel {p}: how many days before do I have to write?",
            "How many days in advance do I announce that I quit {p}?",
        ),
    ),
    Field(
        "late payment", "dollars", 5, 90, 1,
        (
            "A late premium on {p} incurs a surcharge of {v}.",
            "If a premium of {p} is late, a surcharge of {v} is added.",
            "{p} adds a surcharge of {v} to each premium received late.",
        ),
        ("How many dollars is the surcharge for a late premium on {p}?", "What surcharge in dollars does {p} add?"),
        (
            "How many dollars more does it cost when I miss the due date of {p}?",
            "What is the penalty in dollars if I forget to pay the {p} bill?",
            "I paid {p} past the deadline: how many dollars are you going to fine me?",
        ),
    ),
    Field(
        "emergency line", "minutes", 3, 120, 1,
        (
            "Urgent calls about {p} are answered by the emergency line within {v}.",
            "The emergency line of {p} answers urgent calls within {v}.",
            "For {p} an urgent call reaches the emergency line's staff in at most {v}.",
        ),
        ("Within how many minutes does the emergency line of {p} answer?", "How many minutes until urgent calls about {p} are answered?"),
        (
            "How many minutes before a person talks to me when I ring in a crisis with {p}?",
            "If I have an accident tonight, how many minutes until somebody at {p} picks up?",
            "How many minutes do I hang on the phone in distress as a {p} customer?",
        ),
    ),
    Field(
        "recordings", "weeks", 2, 104, 1,
        (
            "Recordings of conversations about {p} are erased after {v}.",
            "The insurer erases {p} recordings once {v} have passed.",
            "{p} recordings are stored for {v} and then erased.",
        ),
        ("After how many weeks are {p} recordings erased?", "For how many weeks are recordings about {p} stored?"),
        (
            "How many weeks do you keep the audio of my phone chats on {p}?",
            "For how many weeks is the audio of my phone chats on {p} kept?",
            "How many weeks until the tapes with my voice on {p} are gone?",
        ),
    ),
    Field(
        "travel abroad", "days", 14, 200, 1,
        (
            "{p} covers journeys abroad of up to {v}.",
            "Journeys abroad are covered by {p} for at most {v}.",
            "Cover under {p} extends to journeys abroad that last no more than {v}.",
        ),
        ("For how many days are journeys abroad covered by {p}?", "Up to how many days abroad does {p} cover?"),
        (
            "How many days may I spend in a foreign country with {p}?",
            "How many days can my overseas vacation last before {p} stops insuring me?",
            "I am going on a trip outside the country: how many days does {p} insure?",
        ),
    ),
    Field(
        "dental treatment", "percent", 20, 95, 1,
        (
            "{p} reimburses {v} of the cost of dental treatment.",
            "For dental treatment the reimbursement under {p} is {v}.",
            "Dental treatment is reimbursed at {v} by {p}.",
        ),
        ("What percent of dental treatment does {p} reimburse?", "At how many percent does {p} reimburse dental treatment?"),
        (
            "What percent of my tooth filling bill does {p} take over?",
            "My tooth hurts and I need a crown: how many percent does {p} pay?",
            "How many percent of the price of fixing my teeth is on {p}?",
        ),
    ),
    Field(
        "hospital stay", "dollars", 40, 900, 5,
        (
            "For each day of a hospital stay {p} pays an allowance of {v}.",
            "The hospital allowance of {p} amounts to {v} a day.",
            "{p} grants a daily hospital allowance of {v}.",
        ),
        ("How many dollars is the daily hospital allowance of {p}?", "What allowance in dollars does {p} pay per hospital day?"),
        (
            "How many dollars do I get from {p} for every night in the clinic after surgery?",
            "When I lie in a ward as a patient, how many dollars come from {p} for each night?",
            "What do I receive in dollars from {p} for each night in the sick ward?",
        ),
    ),
    Field(
        "waiting period", "weeks", 2, 60, 1,
        (
            "Benefits of {p} begin after a waiting period of {v}.",
            "{p} has a waiting period of {v} before benefits are due.",
            "The waiting period of {p} is {v}, counted from the signature.",
        ),
        ("How many weeks is the waiting period of {p}?", "After how many weeks of waiting period do benefits of {p} begin?"),
        (
            "I just joined {p}: how many weeks until I am allowed to use it?",
            "How many weeks after joining can I first make use of {p}?",
            "How many weeks must a new member of {p} be patient before being insured for real?",
        ),
    ),
    Field(
        "replacement car", "days", 3, 45, 1,
        (
            "{p} provides a replacement car for {v}.",
            "After a breakdown a replacement car is provided by {p} for {v}.",
            "The holder of {p} is entitled to a replacement car during {v}.",
        ),
        ("For how many days does {p} provide a replacement car?", "How many days is the holder of {p} entitled to a replacement car?"),
        (
            "While the garage repairs my vehicle, for how many days do I get another to drive from {p}?",
            "For how many days does {p} pay me a rental vehicle?",
            "My auto is in the workshop: how many days does {p} lend me a vehicle?",
        ),
    ),
    Field(
        "towing", "kilometres", 20, 600, 5,
        (
            "Towing is free with {p} for up to {v}.",
            "{p} bears the cost of towing over a distance of {v}.",
            "The towing service of {p} is limited to {v}.",
        ),
        ("For how many kilometres is towing free with {p}?", "To how many kilometres is the towing service of {p} limited?"),
        (
            "If my vehicle dies on the road, how many kilometres will {p} haul it?",
            "How many kilometres does {p} carry my stranded vehicle to a garage?",
            "How many kilometres can a truck drag my dead vehicle at the expense of {p}?",
        ),
    ),
    Field(
        "theft of bicycles", "dollars", 200, 6000, 50,
        (
            "The theft of a bicycle is compensated by {p} with at most {v}.",
            "{p} compensates bicycle theft up to {v}.",
            "For bicycle theft the compensation limit of {p} is {v}.",
        ),
        ("Up to how many dollars does {p} compensate bicycle theft?", "What is the limit of {p} for bicycle theft in dollars?"),
        (
            "Somebody stole my bike: how many dollars do I get from {p}?",
            "My bike was taken last night, what is the most {p} gives me in dollars?",
            "How many dollars is a stolen bike worth to {p}?",
        ),
    ),
    Field(
        "water damage", "hours", 12, 168, 1,
        (
            "Water damage must be reported to {p} within {v}.",
            "The holder of {p} has to report water damage within {v}.",
            "{p} accepts reports of water damage no later than {v} after its discovery.",
        ),
        ("Within how many hours must water damage be reported to {p}?", "How many hours does the holder of {p} have to report water damage?"),
        (
            "A pipe burst in my kitchen: how many hours do I have to let {p} know?",
            "My cellar is flooded, by how many hours at the latest do I call {p}?",
            "How many hours may pass until I tell {p} that the washing machine leaked?",
        ),
    ),
    Field(
        "legal advice", "hours", 1, 40, 1,
        (
            "{p} includes {v} of legal advice per year.",
            "Legal advice is part of {p}, limited to {v} per year.",
            "Each year the holder of {p} may use {v} of legal advice.",
        ),
        ("How many hours of legal advice does {p} include?", "To how many hours per year is legal advice under {p} limited?"),
        (
            "How many hours can I talk to a lawyer for free with {p}?",
            "For how many hours does {p} let me consult an attorney?",
            "My neighbour sues me: how many hours of a lawyer does {p} give me?",
        ),
    ),
    Field(
        "family members", "persons", 2, 14, 1,
        (
            "{p} may be extended to {v} living in the household.",
            "Up to {v} of one household can be included in {p}.",
            "The household cover of {p} is limited to {v}.",
        ),
        ("To how many persons of the household may {p} be extended?", "How many persons are included in the household cover of {p}?"),
        (
            "How many persons of my family can I sign up on one {p} policy?",
            "We are a big family with children: how many persons fit into {p}?",
            "How many relatives, counted in persons, may join me on {p}?",
        ),
    ),
    Field(
        "commission", "percent", 1, 30, 1,
        (
            "Brokers earn a commission of {v} on {p}.",
            "The commission paid to brokers of {p} is {v} of the premium.",
            "{p} carries a broker commission of {v}.",
        ),
        ("What percent is the broker commission on {p}?", "How many percent of commission do brokers of {p} earn?"),
        (
            "What percent is the salesman paid for each {p} contract?",
            "How many percent is the agent paid for selling {p}?",
            "What percent is the fee of the agent who sells {p}?",
        ),
    ),
    Field(
        "profit sharing", "percent", 5, 60, 1,
        (
            "Holders of {p} take part in profits with a bonus of {v}.",
            "The bonus from profits paid on {p} is {v}.",
            "{p} returns {v} of profits as a bonus.",
        ),
        ("What percent of profits does {p} return as a bonus?", "How many percent is the bonus from profits on {p}?"),
        (
            "When the company has a good year, how many percent of the earnings flow to {p} clients?",
            "How many percent of the surplus of a good year is shared with {p} clients?",
            "What percent of the company's gains do people with {p} see?",
        ),
    ),
    Field(
        "home office", "dollars", 300, 9000, 100,
        (
            "Equipment of a home office is insured by {p} up to {v}.",
            "{p} insures home office equipment for at most {v}.",
            "The sum insured for home office equipment under {p} is {v}.",
        ),
        ("Up to how many dollars does {p} insure home office equipment?", "What is the sum insured for home office equipment under {p} in dollars?"),
        (
            "My desk and laptop for remote work: how many dollars at most from {p}?",
            "How many dollars are my monitor and printer worth to {p} when I telework?",
            "My computer for remote work burned: how many dollars at most come from {p}?",
        ),
    ),
)

FILLERS: tuple[str, ...] = (
    "This clause was reviewed in {year}.",
    "The wording was approved by the board in {year}.",
    "It forms part of the general terms of {year}.",
    "The German translation of {year} is not binding.",
    "Form {form} is to be used.",
    "See also clause {other}.",
    "Read together with clause {other}.",
)

REPEALS: tuple[str, ...] = (
    "This clause replaces clause {old}.",
    "It supersedes clause {old} from {year} on.",
    "Clause {old} is repealed by this clause.",
    "It takes the place of clause {old}, which is no longer in force.",
)

OFF_TOPIC: tuple[str, ...] = (
    "How many employees work in the {city} office of {company}?",
    "In how many minutes does the shuttle to the {city} office leave?",
    "How many dollars did {company} pay for its {city} building?",
    "How many days did the {city} conference of {company} last?",
    "What percent of {company} is owned by the bank of {city}?",
    "How many kilometres is it from {city} to the nearest airport?",
    "How many hours is the {city} canteen open?",
    "How many weeks of parental leave do {company} staff in {city} get?",
    "How many months did the chief executive of {company} live in {city}?",
    "How many persons sit on the supervisory board of {company} in {city}?",
)

FAMILIES: tuple[str, ...] = tuple(
    "Harbor Summit Cedar Atlas Juniper Falcon Orchid Granite Willow Comet Ember Lagoon Maple Quartz Raven Saffron "
    "Anchor Beacon Canyon Delta Elm Fjord Glacier Heron Indigo Jasper Kestrel Lantern Meadow Nebula Onyx Prairie "
    "Quarry Ridge Sable Thistle Umber Valley Walnut Zephyr Aspen Bramble Cobalt Drake Fern Garnet Hazel Iris Linden "
    "Marlin Nimbus Osprey Poplar Rowan Sparrow Tundra Vista Wren Yarrow Birch Coral Dune Egret Flint".split()
)
TIERS: tuple[str, ...] = tuple("Basic Plus Gold Prime Select Silver Classic Max Comfort Flex".split())
COMPANIES: tuple[str, ...] = tuple(
    "Norvane Altessa Brightmoor Castelane Dorvik Everhall Fairloch Grenmark Hollister Ivermont Kelbridge Lormond".split()
)
CITIES: tuple[str, ...] = tuple("Bremen Lyon Porto Graz Turku Leeds Ghent Basel Malmo Gdansk Trieste Cork".split())
