//! Which tokens and configurations there are, and how often.

use std::time::Duration;

use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::{Index, select};

use super::tokens::{
    AUDIENCE, Change, Cut, ISSUER, OTHER_AUDIENCE, OTHER_ISSUER, Plan, SECRETS, Seal, Signer, Spelling, Text,
    key_sets, quoted,
};
use super::{Configuration, Keys};

/// How a member of an object may look.
const NOT_TEXTS: &[&str] =
    &[r#""""#, "null", "0", "1.5", "true", "false", "[]", "{}", r#"[""]"#, r#"{"a":1}"#];
const KIDS: &[&str] = &[
    r#""rsa-0""#,
    r#""p256-0""#,
    r#""ed25519-0""#,
    r#""ed25519-1""#,
    r#""ed25519-2""#,
    r#""key""#,
    r#""secret""#,
    r#""KEY""#,
    r#""key ""#,
    r#""k\u0065y""#,
    r#""../../dev/null""#,
    r#""' OR 1=1""#,
    r#""a\u0000""#,
    r#""a\r\nb""#,
    r#""ключ""#,
    r#""\u0085""#,
];
const TYPES: &[&str] = &[
    r#""JWT""#,
    r#""jwt""#,
    r#""at+jwt""#,
    r#""AT+JWT""#,
    r#""application/at+jwt""#,
    r#""Application/JWT""#,
    r#""id_token+jwt""#,
    r#""dpop+jwt""#,
    r#""at+jwt ""#,
    r#""application/""#,
    r#""a\u0074+jwt""#,
    r#""JOSE""#,
    r#""at+JWT; charset=utf-8""#,
    r#""secevent+jwt""#,
    r#""logout+jwt""#,
];
const ALGORITHMS: &[&str] = &[
    r#""none""#,
    r#""None""#,
    r#""HS256""#,
    r#""HS384""#,
    r#""HS512""#,
    r#""RS256""#,
    r#""RS512""#,
    r#""PS256""#,
    r#""ES256""#,
    r#""ES384""#,
    r#""ES512""#,
    r#""EdDSA""#,
    r#""Ed25519""#,
    r#""eddsa""#,
    r#""EdDSA ""#,
    r#""E\u0064DSA""#,
    r#""HS256\u0000""#,
    r#""RSA-OAEP""#,
];
/// Members of a header that change nothing, and those that must not be there.
const OTHERS_IN_HEADER: &[(&str, &str)] = &[
    (r#""crit""#, r#"["exp"]"#),
    (r#""crit""#, "[]"),
    (r#""crit""#, "null"),
    (r#""b64""#, "true"),
    (r#""b64""#, "false"),
    (r#""enc""#, r#""A128GCM""#),
    (r#""zip""#, r#""DEF""#),
    (r#""cty""#, r#""JWT""#),
    (r#""cri\u0074""#, r#"["exp"]"#),
    (r#""CRIT""#, r#"["exp"]"#),
    (r#""jku""#, r#""http://127.0.0.1:9/jwks""#),
    (r#""x5u""#, r#""http://127.0.0.1:9/cert""#),
    (r#""x5t""#, r#""AA""#),
    (r#""jwk""#, r#"{"kty":"oct","k":"AAAA"}"#),
    (r#""x""#, r#"{"a":[1,{"b":null}]}"#),
    (r#""x""#, r#"{"a":1,"a":1}"#),
    (r#""iss""#, r#""https://issuer.example.com""#),
    (r#""epk""#, "1e400"),
];
const ISSUERS: &[&str] = &[
    r#""https://issuer.example.com""#,
    r#""https://other.example.com/""#,
    r#""https://issuer.example.com/""#,
    r#""HTTPS://issuer.example.com""#,
    r#""https://issuer.example.com ""#,
    r#"["https://issuer.example.com"]"#,
    r#""https:\/\/issuer.example.com""#,
    r#""https://i\u0073suer.example.com""#,
    r#""https://evil.example.com""#,
];
const AUDIENCES: &[&str] = &[
    r#""https://api.example.com/mcp""#,
    r#""https://admin.example.com""#,
    r#"["https://api.example.com/mcp"]"#,
    r#"["x","https://api.example.com/mcp"]"#,
    r#"["https://api.example.com/mcp",1]"#,
    r#"["https://api.example.com/mcp",null]"#,
    r#"[["https://api.example.com/mcp"]]"#,
    r#"["x"]"#,
    r#""https://api.example.com/mc""#,
    r#""https://api.example.com/mcp/""#,
    r#"{"https://api.example.com/mcp":1}"#,
    r#""https://api.example.com\/mcp""#,
    r#"["https://admin.example.com","https://admin.example.com"]"#,
    r#""https://api.example.com/mcp https://x""#,
];
const SCOPES: &[&str] = &[
    r#""read""#,
    r#""read write admin""#,
    r#""""#,
    r#"" ""#,
    r#""read  read write""#,
    r#""readonly""#,
    r#""READ""#,
    r#""read\twrite""#,
    r#""read\u00a0write""#,
    r#""read,write""#,
    r#"["read","write"]"#,
    r#"["read write"]"#,
    r#"["read",1]"#,
    "[]",
    r#"["a\"b","read"]"#,
    r#""xread read2""#,
    r#"["read",null]"#,
    r#""r\u0065ad write""#,
];
const NAMES: &[&str] = &[
    r#""bob""#,
    r#""é\n\u0000""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\udc00""#,
    r#"["alice"]"#,
    r#""al\u0069ce""#,
];
const CLASSES: &[(&str, &str)] = &[
    (r#""cnf""#, r#"{"jkt":"x"}"#),
    (r#""cnf""#, "null"),
    (r#""events""#, "{}"),
    (r#""at_hash""#, r#""x""#),
    (r#""c_hash""#, "null"),
    (r#""s_hash""#, r#""x""#),
    (r#""token_introspection""#, "{}"),
    (r#""token_use""#, r#""access""#),
    (r#""token_use""#, r#""id""#),
    (r#""token_use""#, "1"),
    (r#""typ""#, r#""Bearer""#),
    (r#""typ""#, r#""Refresh""#),
    (r#""typ""#, r#""ID""#),
    (r#""typ""#, r#""Application/At+Jwt""#),
    (r#""typ""#, r#""dpop+JWT""#),
    (r#""typ""#, "[]"),
    (r#""type""#, r#""refresh-token""#),
    (r#""type""#, r#"" Logout Token ""#),
    (r#""use""#, r#""sig""#),
    (r#""use""#, r#""id""#),
    (r#""token_type""#, r#""Bearer""#),
    (r#""token_type""#, r#""DPoP""#),
    (r#""nonce""#, r#""x""#),
];
const DATES: &[&str] = &[
    "0",
    "-0",
    "-1",
    "0.0",
    "1e0",
    "253402300799",
    "253402300799.5",
    "253402300800",
    "253402300798.9e0",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1e300",
    "1e308",
    "1e309",
    "1e-400",
    "-1e400",
    "1E10",
    "01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "NaN",
    "Infinity",
    r#""1767226000""#,
    r#""""#,
    "null",
    "true",
    "[]",
    "[1767226000]",
    r#"{"a":1}"#,
    "1767225600e0",
    "17672256.01e2",
    "0e99999",
];
/// Claims that mean nothing here, and values that only a reader of JSON minds.
const OTHER_CLAIMS: &[(&str, &str)] = &[
    (r#""x1""#, "null"),
    (r#""x1""#, "[1,2,{\"a\":[]}]"),
    (r#""x2""#, r#""\ud800""#),
    (r#""x2""#, r#""\u0000""#),
    (r#""x2""#, r#"{"a":1,"b":{"a":1,"a":2}}"#),
    (r#""x2""#, r#"{"a":1,"\u0061":2}"#),
    (r#""x2""#, "1e308"),
    (r#""x2""#, "9.99e307"),
    (r#""x2""#, "123456789012345678901234567890"),
    (r#""x2""#, "[1,]"),
    (r#""x2""#, r#"{"a"}"#),
    (r#""x2""#, r#""a"#),
    (r#""x2""#, "\"\t\""),
    (r#""ISS""#, r#""https://evil.example.com""#),
    (r#""exp ""#, "1"),
    (r#""Exp""#, "1"),
    (r#""""#, "1"),
    (r#""client""#, r#""x""#),
];
/// The names of claims that mean something, spelled in several ways.
const CLAIMS: &[&str] = &[
    r#""iss""#,
    r#""aud""#,
    r#""exp""#,
    r#""nbf""#,
    r#""iat""#,
    r#""sub""#,
    r#""client_id""#,
    r#""azp""#,
    r#""jti""#,
    r#""scope""#,
    r#""scp""#,
    r#""\u0065xp""#,
    r#""i\u0073s""#,
    r#""scop\u0065""#,
];

fn is(values: &'static [&'static str]) -> BoxedStrategy<Text> {
    select(values).prop_map(Text::Is).boxed()
}

fn name_or(values: &'static [&'static str]) -> BoxedStrategy<Text> {
    prop_oneof![4 => is(values), 1 => is(NOT_TEXTS)].boxed()
}

/// Dates about now and the leeway, and others.
fn date() -> BoxedStrategy<Text> {
    let near = (select(&[-1_000_i64, -125, -1, 0, 1, 125, 1_000][..]), -1..=1_i64, 0..5_u8);
    let far = (-900_000..900_000_i64, Just(0_i64), 0..4_u8);
    let dated = |(by, leeways, form)| Text::Date(by, leeways, form);
    prop_oneof![6 => near.prop_map(dated), 3 => far.prop_map(dated), 2 => is(DATES)].boxed()
}

fn value_of(claim: &'static str) -> BoxedStrategy<Text> {
    match claim.trim_matches('"') {
        "iss" | "i\\u0073s" => name_or(ISSUERS),
        "aud" => name_or(AUDIENCES),
        "exp" | "nbf" | "iat" | "\\u0065xp" => date(),
        "scope" | "scp" | "scop\\u0065" => name_or(SCOPES),
        _ => prop_oneof![
            3 => name_or(NAMES),
            1 => any::<String>().prop_map(|text| Text::Owned(quoted(&text))),
        ]
        .boxed(),
    }
}

/// One change to the claims.
fn claim() -> BoxedStrategy<Change> {
    let one =
        |name: &'static str, weight| (weight, value_of(name).prop_map(move |value| (name, value)).boxed());
    let valued = || {
        let all = CLAIMS.iter().map(|name| one(name, if name.contains("\\u") { 1 } else { 4 }));
        let dates = [r#""exp""#, r#""nbf""#, r#""iat""#].map(|name| one(name, 8));
        proptest::strategy::Union::new_weighted(all.chain(dates).collect())
    };
    let pair = |(name, value)| Change::Set(name, Text::Is(value));
    prop_oneof![
        12 => valued().prop_map(|(name, value)| Change::Set(name, value)),
        2 => select(CLAIMS).prop_map(Change::Remove),
        2 => valued().prop_map(|(name, value)| Change::Repeat(name, value)),
        2 => select(CLASSES).prop_map(pair),
        2 => select(OTHER_CLAIMS).prop_map(pair),
    ]
    .boxed()
}

/// One change to the header.
fn header() -> BoxedStrategy<Change> {
    let members = || {
        prop_oneof![
            3 => name_or(KIDS).prop_map(|value| (r#""kid""#, value)),
            3 => name_or(TYPES).prop_map(|value| (r#""typ""#, value)),
            2 => name_or(ALGORITHMS).prop_map(|value| (r#""alg""#, value)),
            3 => select(OTHERS_IN_HEADER).prop_map(|(name, value)| (name, Text::Is(value))),
            1 => (250..260_usize).prop_map(|length| (r#""kid""#, Text::Owned(quoted(&"k".repeat(length))))),
        ]
    };
    prop_oneof![
        8 => members().prop_map(|(name, value)| Change::Set(name, value)),
        2 => members().prop_map(|(name, value)| Change::Repeat(name, value)),
        3 => select(&[r#""kid""#, r#""typ""#, r#""alg""#][..]).prop_map(Change::Remove),
    ]
    .boxed()
}

fn spelling() -> BoxedStrategy<Spelling> {
    prop_oneof![
        40 => Just(Spelling::Usual),
        2 => Just(Spelling::Spaces),
        2 => Just(Spelling::Escaped),
        1 => (60..67_usize).prop_map(Spelling::Deep),
        1 => (488..503_usize).prop_map(Spelling::Members),
        3 => prop_oneof![
            Just(Spelling::Array), Just(Spelling::ByteOrderMark), Just(Spelling::Comment), Just(Spelling::Comma),
            Just(Spelling::Latin1), Just(Spelling::Trailing), Just(Spelling::Utf16),
            any::<Index>().prop_map(Spelling::Truncated),
        ],
    ]
    .boxed()
}

fn cut() -> BoxedStrategy<Cut> {
    let at = || 0..3_usize;
    let text = || select(&["=", ".", " ", "\n", "\u{e9}", "A", "AAAA", "~", "+", "/", ",", "\"", "-"][..]);
    prop_oneof![
        1 => text().prop_map(Cut::Append),
        1 => text().prop_map(Cut::Prepend),
        4 => at().prop_map(Cut::Bits),
        1 => (at(), any::<Index>(), select(vec!['A', 'b', '0', '-', '_', '+', '=', '.', 'é']))
            .prop_map(|(a, i, c)| Cut::Change(a, i, c)),
        1 => at().prop_map(Cut::Empty),
        1 => (at(), any::<Index>(), text()).prop_map(|(a, i, t)| Cut::Insert(a, i, t)),
        1 => (at(), any::<bool>()).prop_map(|(a, more)| Cut::Pad(a, more)),
        1 => at().prop_map(Cut::Remove),
        1 => at().prop_map(Cut::Repeat),
        1 => at().prop_map(Cut::Standard),
        1 => (at(), at()).prop_map(|(a, b)| Cut::Swap(a, b)),
        1 => (at(), any::<Index>()).prop_map(|(a, i)| Cut::Truncate(a, i)),
    ]
    .boxed()
}

fn seal() -> BoxedStrategy<Seal> {
    prop_oneof![
        14 => Just(Seal::Early),
        3 => Just(Seal::Late),
        1 => Just(Seal::Stale),
        1 => Just(Seal::PublicText),
        1 => proptest::collection::vec(any::<u8>(), 0..70).prop_map(Seal::Bytes),
    ]
    .boxed()
}

/// Signers, of which those with a short signature are quick.
pub(crate) fn signer(rsa: u32) -> BoxedStrategy<Signer> {
    let algorithm = prop_oneof![
        4 => Just("EdDSA"),
        4 => Just("ES256"),
        1 => Just("ES384"),
        6 => Just("HS256"),
        1 => Just("HS384"),
        1 => Just("HS512"),
        rsa => select(&["RS256", "RS256", "RS512", "PS256", "PS384"][..]),
    ];
    let owner = prop_oneof![10 => Just(0_usize), 2 => Just(1_usize), 1 => Just(2_usize)];
    (algorithm, owner).prop_map(|(algorithm, owner)| Signer { algorithm, owner }).boxed()
}

/// Tokens in which nothing is wrong: they are for somebody, for a while and for something.
pub(crate) fn good(signer: BoxedStrategy<Signer>) -> BoxedStrategy<Plan> {
    let scope = prop_oneof![
        4 => Just(None),
        4 => select(&[r#""read""#, r#""write""#, r#""readonly""#, r#"["read","admin"]"#, r#""READ""#][..])
            .prop_map(|scope| Some(Change::Set(r#""scope""#, Text::Is(scope)))),
    ];
    let date = |name: &'static str, spans: std::ops::Range<i64>| {
        let date = spans.prop_map(move |by| Some(Change::Set(name, Text::Date(1_000 * by, 0, 0))));
        prop_oneof![3 => Just(None), 1 => date]
    };
    (signer, scope, date(r#""nbf""#, -60..120), date(r#""exp""#, 1..400))
        .prop_map(|(signer, scope, not_before, expires)| Plan {
            signer,
            header: Vec::new(),
            claims: [scope, not_before, expires].into_iter().flatten().collect(),
            header_spelling: Spelling::Usual,
            claims_spelling: Spelling::Usual,
            cuts: Vec::new(),
            seal: Seal::Early,
        })
        .boxed()
}

/// Tokens with none to four faults; most are signed after that.
pub(crate) fn plan(signer: BoxedStrategy<Signer>) -> BoxedStrategy<Plan> {
    let claims = prop_oneof![
        5 => Just(Vec::new()).boxed(),
        6 => proptest::collection::vec(claim(), 1..=1).boxed(),
        3 => proptest::collection::vec(claim(), 2..5).boxed(),
    ];
    let header = prop_oneof![
        12 => Just(Vec::new()).boxed(),
        3 => proptest::collection::vec(header(), 1..=1).boxed(),
        1 => proptest::collection::vec(header(), 2..4).boxed(),
    ];
    let cuts =
        prop_oneof![10 => Just(Vec::new()).boxed(), 1 => proptest::collection::vec(cut(), 1..3).boxed()];
    let seal = (seal(), proptest::bool::weighted(0.6));
    (signer, header, claims, (spelling(), spelling()), cuts, seal)
        .prop_map(|(signer, header, claims, (header_spelling, claims_spelling), cuts, (seal, is_late))| {
            Plan {
                signer,
                header,
                claims,
                header_spelling,
                claims_spelling,
                seal: if is_late && !cuts.is_empty() { Seal::Late } else { seal },
                cuts,
            }
        })
        .boxed()
}

/// What a verifier may be told, for tokens of a kind of keys.
pub(crate) fn configuration() -> BoxedStrategy<Configuration> {
    let parties = (
        prop_oneof![8 => Just(Some(ISSUER)), 1 => Just(Some(OTHER_ISSUER)), 1 => Just(None)],
        prop_oneof![
            6 => Just(vec![AUDIENCE]),
            2 => Just(vec![OTHER_AUDIENCE, AUDIENCE]),
            1 => Just(vec![OTHER_AUDIENCE]),
            1 => Just(vec![]),
        ],
    );
    let keys = prop_oneof![
        4 => Just(Keys::Secret(SECRETS[0].to_vec())),
        8 => select(key_sets()),
    ];
    let leeway = select(&[0_u64, 0, 1, 60, 60, 299, 300][..]).prop_map(Duration::from_secs);
    let age = prop_oneof![8 => Just(None), 1 => (1..600_u64).prop_map(|age| Some(Duration::from_secs(age)))];
    let required = prop_oneof![
        12 => Just(vec![]), 2 => Just(vec!["x1"]), 2 => Just(vec!["sub", "iat"]), 1 => Just(vec!["nbf"]),
    ];
    let switches = (
        proptest::bool::weighted(0.3),
        proptest::bool::weighted(0.9),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.8),
    );
    (parties, keys, leeway, age, required, switches)
        .prop_map(|((issuer, audiences), keys, leeway, max_token_age, required, switches)| {
            let (rfc9068, expiry_required, id_tokens_allowed, all_algorithms) = switches;
            let algorithms = match (&keys, all_algorithms) {
                (Keys::Secret(_), true) => vec!["HS256", "HS384", "HS512"],
                (Keys::Secret(_), false) => vec!["HS256"],
                // Each key of a list has to be of use.
                (Keys::Listed(_), _) | (_, true) => {
                    vec!["EdDSA", "ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]
                }
                (_, false) => vec!["EdDSA", "RS256"],
            };
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            Configuration {
                issuer: issuer.map(str::to_owned),
                audiences: owned(audiences),
                algorithms,
                rfc9068,
                leeway,
                required: owned(required),
                expiry_required,
                id_tokens_allowed,
                max_token_age,
                keys,
            }
        })
        .boxed()
}
