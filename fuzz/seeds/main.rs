//! Writes the seeds into `fuzz/corpus`: the attack vectors, Wycheproof and what GitHub has answered as `vector-…`,
//! which `minimise.sh` may leave out, and what is written below, which stays.
//!
//!     cargo run --manifest-path fuzz/Cargo.toml --example seeds

mod answers;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tower_bearer_fuzz::{authorization_header, base64url};

fn main() {
    authorization_headers();
    tokens();
    key_sets();
    answers::introspection();
    answers::github();
    challenges();
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn read(path: impl AsRef<Path>) -> Value {
    let path = tests().join(path);
    serde_json::from_slice(&fs::read(path).expect("a file of the tests")).expect("JSON")
}

fn vectors() -> Value {
    read("vectors/jwt-attack-vectors.json")
}

fn write(target: &str, name: &str, seed: impl AsRef<[u8]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), seed).expect("a file");
}

/// A seed that is one of many.
fn write_vector(target: &str, name: &str, seed: impl AsRef<[u8]>) {
    write(target, &format!("vector-{name}"), seed);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn authorization_headers() {
    let target = "authorization_header";
    for vector in list(&vectors()["authorization_header_vectors"]) {
        let lines: Vec<Vec<u8>> = list(&vector["headers"])
            .iter()
            .filter(|field| text(&field[0]).eq_ignore_ascii_case("authorization"))
            .map(|field| match &field[1] {
                Value::String(line) => line.clone().into_bytes(),
                // Not a text: its bytes in the other base64.
                encoded => {
                    let plain =
                        text(&encoded["b64"]).trim_end_matches('=').replace('+', "-").replace('/', "_");
                    base64url::decode(&plain).expect("base64")
                }
            })
            .collect();
        write_vector(target, text(&vector["id"]), lines.join(&b'\n'));
    }
    let good = authorization_header::GOOD;
    for (name, line) in [
        ("none", String::new()),
        ("good", format!("Bearer {good}")),
        ("good-blanks", format!(" \tbEARER   {good}\t ")),
        ("good-tab", format!("Bearer\t{good}")),
        ("good-twice", format!("Bearer {good}\nBearer {good}")),
        ("good-after-empty", format!("\nBearer {good}")),
        ("good-list", format!("Bearer {good}, Bearer {good}")),
        ("good-comma", format!("Bearer {good},")),
        ("good-and-more", format!("Bearer {good} more")),
        ("good-quoted", format!("Bearer \"{good}\"")),
        ("good-basic", format!("Basic {good}")),
        ("good-padding", format!("Bearer {good}=")),
        ("good-no-space", format!("Bearer{good}")),
        ("good-eight-bits", format!("Bearer {good}\u{a0}")),
        ("scheme", "Bearer".to_owned()),
        ("scheme-space", "Bearer ".to_owned()),
        ("only-padding", "Bearer ==".to_owned()),
        ("space", " ".to_owned()),
        // 4 + 4 and so on: 16 384 and one more.
        (
            "longest",
            format!(
                "Bearer aaaa{}",
                "\u{6}\u{6}\u{6}\u{5}\u{5}\u{5}\u{4}\u{4}\u{4}\u{3}\u{3}\u{3}\u{2}\u{2}\u{2}\u{1}\u{1}\u{1}"
            ),
        ),
        ("too-long", "Bearer aa\u{7}".to_owned()),
        ("much-too-long", "Bearer a\u{8}".to_owned()),
        ("long-blanks", format!("Bearer \u{7}{good} \u{8}")),
    ] {
        write(target, name, line);
    }
}

/// Headers, claims and whole tokens.
fn tokens() {
    let vectors = vectors();
    for vector in list(&vectors["vectors"]) {
        let (id, token) = (text(&vector["id"]), text(&vector["token"]));
        write_vector("jws_compact", id, token);
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, ..] = *parts else { continue };
        if let Some(header) = base64url::decode(header) {
            let text = String::from_utf8_lossy(&header).replace("RS256", "HS256");
            write_vector("jose_header", id, &text);
            let message = format!("{}.{payload}", base64url::encode(text.as_bytes()));
            write_vector("jws_compact", &format!("{id}-signed"), format!("h{message}"));
        }
        if let Some(payload) = base64url::decode(payload) {
            write_vector("claims", id, &payload);
        }
    }
    let claims = base64url::encode(tower_bearer_fuzz::jose_header::CLAIMS.as_bytes());
    for (name, mode, header) in [
        ("ed", "d", r#"{"alg":"EdDSA","kid":"ed-1"}"#),
        ("ed-name", "d", r#"{"alg":"Ed25519"}"#),
        ("ec", "e", r#"{"alg":"ES256","kid":"ec-1","typ":"at+jwt"}"#),
        ("hmac", "h", r#"{"alg":"HS256","typ":"JWT"}"#),
    ] {
        let message = format!("{mode}{}.{claims}", base64url::encode(header.as_bytes()));
        write("jws_compact", name, &message);
        for change in ["x\u{7}", "t\u{10}", "p\u{0}", "z\u{1}", "aA", "a=", "sB"] {
            let first = char::from(change.as_bytes()[0]);
            write(
                "jws_compact",
                &format!("{name}-{first}{}", change.as_bytes()[1]),
                format!("{message}\n{change}"),
            );
        }
    }
    for group in list(&read("vectors/wycheproof/json_web_signature_test.json")["testGroups"]) {
        for test in list(&group["tests"]) {
            if let Some(token) = test["jws"].as_str() {
                write_vector("jws_compact", &format!("wycheproof-{}", test["tcId"]), token);
                let header = token.split('.').next().and_then(base64url::decode);
                write_vector(
                    "jose_header",
                    &format!("wycheproof-{}", test["tcId"]),
                    header.unwrap_or_default(),
                );
            }
        }
    }
    for (name, header) in [
        ("plain", r#"{"alg":"HS256"}"#),
        ("named", r#"{"alg":"HS256","kid":"key-1","typ":"application/AT+JWT"}"#),
        ("b64", r#"{"alg":"HS256","b64":true}"#),
        ("crit", r#"{"alg":"HS256","crit":["exp"]}"#),
        ("cty", r#"{"alg":"HS256","cty":"JWT"}"#),
        ("enc", r#"{"alg":"HS256","enc":"A128GCM"}"#),
        ("zip", r#"{"alg":"HS256","zip":"DEF"}"#),
        ("escaped", r#"{"\u0061lg":"HS2\u0035\u0036","kid":"\ud83d\ude00"}"#),
        ("many", r#"{"alg":"HS256","a":[1,-2.5e-3,true,false,null,{"b":{"c":[]}}],"jwk":{},"x5c":["MIIB"]}"#),
    ] {
        write("jose_header", name, header);
    }
    let claims = tower_bearer_fuzz::jose_header::CLAIMS;
    let with = |more: &str| claims.replace("}", &format!(",{more}}}"));
    for (name, more) in [
        ("class", r#""token_use":"access","typ":"Bearer","token_type":"access_token","use":"x""#),
        ("dates", r#""nbf":1767225660,"auth_time":1767225600.5"#),
        ("scp", r#""scp":["read","write"],"azp":"app""#),
        ("cnf", r#""cnf":{"jkt":"x"}"#),
        ("hash", r#""at_hash":"x""#),
        ("id-token", r#""typ":"ID""#),
        ("refresh", r#""token_type":"refresh-token""#),
    ] {
        write("claims", name, with(more));
    }
    write("claims", "good", claims);
    let demands = with(
        r#""role":"x","tier":["gold",1],"status":"open","access":{"roles":["read","write"]},"appid":"app""#,
    );
    write("claims", "demands", &demands);
    write(
        "claims",
        "demands-of-alias",
        demands.replace("issuer.example", "alias.example").replace("\"client_id\":\"app\",", ""),
    );
    write("claims", "demands-refused", demands.replace("\"open\"", "true"));
    write(
        "claims",
        "client-as-audience",
        claims
            .replace("\"aud\":\"https://api.example.com/mcp\",", "")
            .replace("\"app\"", "\"https://api.example.com/mcp\""),
    );
    write("claims", "no-expiry", claims.replace("\"exp\":1767229200,", ""));
    write(
        "claims",
        "audiences",
        claims.replace("\"https://api.example.com/mcp\"", "[\"x\",\"https://api.example.com/mcp\"]"),
    );
}

fn key_sets() {
    let target = "jwks";
    let vectors = vectors();
    for (name, set) in vectors["jwks"].as_object().expect("sets") {
        write_vector(target, name, set.to_string());
    }
    for document in list(&vectors["jwks_documents"]) {
        if let Some(body) = document["body"].as_str() {
            write_vector(target, text(&document["id"]), body);
        }
    }
    for group in list(&read("vectors/wycheproof/json_web_key_test.json")["testGroups"]) {
        for key in ["public", "private"].into_iter().filter_map(|name| group.get(name)) {
            let set = if key.get("keys").is_some() { key.clone() } else { json!({ "keys": [key] }) };
            let id = &group["tests"][0]["tcId"];
            write_vector(target, &format!("wycheproof-{id}"), set.to_string());
        }
    }
    let ed = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed-1","x":"%E"}"#;
    let ec = r#"{"kty":"EC","crv":"P-256","kid":"ec-1","x":"%X","y":"%Y"}"#;
    let oct = r#"{"kty":"oct","kid":"ed-1","k":"%S"}"#;
    let bare = |key: &str| key.replace(r#""kid":"ed-1","#, "").replace(r#""kid":"ec-1","#, "");
    for (name, keys) in [
        ("ed", ed.to_owned()),
        ("ec", ec.to_owned()),
        ("both", format!("{ed},{ec}")),
        ("oct", oct.to_owned()),
        ("oct-and-ed", format!("{oct},{ed}")),
        ("ed-bare", bare(ed)),
        ("ec-bare", bare(ec)),
        ("oct-bare", bare(oct)),
        ("ed-twice", format!("{ed},{ed}")),
        ("ed-and-bare", format!("{ed},{}", bare(ed))),
        ("ed-use", ed.replace("}", r#","use":"sig","alg":"EdDSA","key_ops":["verify"]}"#)),
        ("ed-enc", ed.replace("}", r#","use":"enc"}"#)),
        ("ed-sign", ed.replace("}", r#","key_ops":["sign"]}"#)),
        ("ed-no-operation", ed.replace("}", r#","key_ops":[]}"#)),
        ("ed-on-other-curve", ed.replace("Ed25519", "X25519")),
        ("ec-on-other-curve", ec.replace("P-256", "P-384")),
        ("ec-as-ed", ec.replace("\"EC\"", "\"OKP\"")),
        ("ed-private", ed.replace("}", r#","d":"AAAA"}"#)),
        ("ed-other-alg", ed.replace("}", r#","alg":"ES256"}"#)),
        ("ed-issuer", ed.replace("}", r#","issuer":"https://issuer.example.com"}"#)),
        ("ed-repeats", ed.replace("}", r#","kid":"ed-1"}"#)),
        ("rsa", r#"{"kty":"RSA","n":"%E%E%E%E%E%E%E%E","e":"AQAB","kid":"ed-1"}"#.to_owned()),
    ] {
        write(target, name, format!(r#"{{"keys":[{keys}]}}"#));
    }
}

fn challenges() {
    for (name, seed) in [
        (
            "words",
            "insufficient_scope\u{1}read write\u{1}https://api.example.com/.well-known/oauth-protected-resource\u{1}urn:x\u{1}12345678\u{1}The access token is invalid\u{1}https://api.example.com/mcp\u{1}read\u{1}write",
        ),
        (
            "bad-words",
            "\"\\\r\n\u{e9}=\u{1}a\"b \\c\u{1}h\"x\u{1}scope=\"admin\"\u{1}error=\"x\", realm=\"y\"",
        ),
        ("line", "Bearer realm=\"a\", error=\"invalid_token\", scope=\"a b\", x=\"\\\"\\\\\", y=token"),
    ] {
        write("challenge_round_trip", name, seed);
        write("challenge_round_trip", &format!("{name}-set"), format!("{}{seed}", "\u{1}".repeat(64)));
    }
}
