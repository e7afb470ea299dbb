//! Seeds for what providers answer.

use std::fs;

use serde_json::Value;
use tower_bearer_fuzz::{github_answer, introspection_answer};

use crate::{list, read, tests, text, write, write_vector};

pub fn introspection() {
    let target = "introspection_answer";
    let claims = r#""iss":"https://issuer.example.com","aud":"https://api.example.com/mcp","exp":1767229200"#;
    let good = format!(r#"{{"active":true,{claims},"sub":"alice","scope":"read"}}"#);
    let with = |more: &str| good.replace("}", &format!(",{more}}}"));
    let token = introspection_answer::TOKEN;
    for (name, body) in [
        ("good", good.clone()),
        ("inactive", r#"{"active":false}"#.to_owned()),
        ("text", good.replace("true", "\"true\"")),
        ("number", good.replace("true", "1")),
        ("missing", format!("{{{claims}}}")),
        ("twice", with(r#""active":false"#)),
        ("twice-escaped", with(r#""activ\u0065":false"#)),
        ("empty", String::new()),
        ("html", "<html>".to_owned()),
        ("null", "null".to_owned()),
        ("list", "[]".to_owned()),
        ("cut", good.replace("}", "")),
        ("no-expiry", good.replace(",\"exp\":1767229200", "")),
        ("past", good.replace("1767229200", "1767225540")),
        ("not-yet", with(r#""nbf":1767225700"#)),
        ("issuer", good.replace("issuer.example", "other.example")),
        ("no-issuer", good.replace("\"iss\":\"https://issuer.example.com\",", "")),
        ("audience", good.replace("/mcp", "/other")),
        ("no-audience", good.replace("\"aud\":\"https://api.example.com/mcp\",", "")),
        (
            "client",
            with(r#""client_id":"https://api.example.com/mcp""#)
                .replace("\"aud\":\"https://api.example.com/mcp\",", ""),
        ),
        ("refresh", with(r#""token_type":"refresh_token""#)),
        ("bearer", with(r#""token_type":"Bearer","token_use":"access","username":"alice""#)),
        ("urn", with(r#""token_type":"urn:ietf:params:oauth:token-type:access_token""#)),
        ("cnf", with(r#""cnf":{"jkt":"x"}"#)),
        ("scopes", good.replace("\"read\"", "[\"read\",\"write\"]")),
        ("scope-null", good.replace("\"read\"", "null")),
        ("scope-number", good.replace("\"read\"", "7")),
        ("nulls", with(r#""jti":null,"username":null,"nbf":null"#)),
        ("repeats-id", with(&format!(r#""jti":"{token}""#))),
        ("repeats-name", good.replace("alice", token)),
        ("repeats-elsewhere", with(&format!(r#""x":["a{token}b"],"{token}":1"#))),
    ] {
        write(target, name, format!("200\ncontent-type: application/json\n\n{body}"));
    }
    for (name, head) in [
        ("401", "401\nwww-authenticate: Basic"),
        ("429", "429\nretry-after: 60"),
        ("429-long", "429\nretry-after: 99999999999999999999"),
        ("500", "500"),
        ("503-date", "503\nretry-after: Thu, 01 Jan 2026 00:01:00 GMT"),
        ("301", "301\nlocation: https://elsewhere.example.com/"),
        ("204", "204"),
        ("404", "404"),
    ] {
        write(target, name, format!("{head}\n\n{good}"));
        write(target, &format!("{name}-inactive"), format!("{head}\n\n{{\"active\":false}}"));
    }
}

pub fn github() {
    let target = "github_answer";
    let mut answers: Vec<(String, String)> = Vec::new();
    let mut files: Vec<_> = fs::read_dir(tests().join("github")).expect("a folder").flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let fixture = read(file.path());
        let fields = list(&fixture["headers"])
            .iter()
            .map(|field| format!("{}: {}\n", text(&field[0]), text(&field[1])));
        let body = match &fixture["body"] {
            Value::String(body) => body.clone(),
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let body = body
            .replace("{client_id}", github_answer::CLIENT)
            .replace("2011-09-08T17:26:27Z", "2036-01-01T00:00:00Z");
        let answer = format!("{}\n{}\n{body}", fixture["status"], fields.collect::<String>());
        let name = file.file_name().to_string_lossy().trim_end_matches(".json").to_owned();
        answers.push((name, answer));
    }
    let user = r#"{"id":583231,"login":"octocat","name":"O","email":null,"avatar_url":"https://x"}"#;
    let app = format!(
        r#"{{"app":{{"client_id":"{}"}},"scopes":["read","repo"],"expires_at":null,"user":{user}}}"#,
        github_answer::CLIENT
    );
    let of_app = format!("200\netag: \"a\"\n\n{app}");
    let of_user = format!("200\netag: \"b\"\nx-oauth-scopes: read, repo\n\n{user}");
    let member = r#"200

{"state":"active","role":"member","organization":{"login":"Acme","id":1},"user":{"login":"octocat","id":583231}}"#;
    for (name, answer) in &answers {
        for who in ["app", "personal"] {
            write_vector(target, &format!("{who}-{name}"), format!("{who}\n{answer}"));
        }
        for who in ["profile", "member", "again"] {
            write_vector(target, &format!("{who}-{name}"), format!("{who}\n{of_app}\u{c}{answer}"));
        }
        write_vector(
            target,
            &format!("again-third-{name}"),
            format!("again\n{of_app}\u{c}{of_user}\u{c}{answer}"),
        );
    }
    let unchanged = "304\netag: W/\"b\"\nx-oauth-client-id: Iv1.0123456789abcdef\n\n";
    for (name, seed) in [
        ("app", format!("app\n{of_app}")),
        ("app-other", format!("app\n{}", of_app.replace("Iv1", "Iv2"))),
        ("app-no-scopes", format!("app\n{}", of_app.replace("[\"read\",\"repo\"]", "null"))),
        ("app-dated", format!("app\n{}", of_app.replace(":null", ":\"2036-01-01T00:00:00Z\""))),
        ("personal", format!("personal\n{of_user}")),
        (
            "personal-dated",
            format!(
                "personal\n{}",
                of_user.replace(
                    "etag: \"b\"",
                    "github-authentication-token-expiration: 2036-01-01 00:00:00 UTC"
                )
            ),
        ),
        ("profile", format!("profile\n{of_app}\u{c}{of_user}")),
        ("profile-other", format!("profile\n{of_app}\u{c}{}", of_user.replace("583231", "583232"))),
        ("member", format!("member\n{of_app}\u{c}{member}")),
        ("member-pending", format!("member\n{of_app}\u{c}{}", member.replace("active", "pending"))),
        ("member-other", format!("member\n{of_app}\u{c}{}", member.replace("583231", "583232"))),
        ("again", format!("again\n{of_app}\u{c}{of_user}\u{c}{unchanged}")),
        ("again-changed", format!("again\n{of_app}\u{c}{of_user}\u{c}{of_user}")),
        (
            "again-scopes",
            format!("again\n{of_app}\u{c}{of_user}\u{c}304\nx-oauth-scopes: gist\n\n\u{c}{of_user}"),
        ),
        (
            "again-limit",
            format!(
                "again\n{of_app}\u{c}{of_user}\u{c}403\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1767226600\n\n\u{c}{of_app}"
            ),
        ),
    ] {
        write(target, name, seed);
    }
}
