//! The rules for headers and claims, as the standards and the documentation have them, and what a token says.

use std::time::{Duration, SystemTime};

use tower_bearer::AccessToken;

use crate::json::{self, Json, Members};
use crate::lab::{AUDIENCE, ISSUER, NOW};

const LAST_SECOND: f64 = 253_402_300_799.0;
/// Two readers of a fraction may differ by less than this, in seconds.
const DOUBT: f64 = 0.001;

/// What a verifier was told.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether it was told what [`Demands`] says.
    pub demands: bool,
    pub client_as_audience: bool,
    pub expiry_required: bool,
    pub issuer_may_be_missing: bool,
    pub leeway: f64,
    pub max_age: Option<f64>,
    pub required: &'static [&'static str],
}

impl Rules {
    /// What holds unless something else is set.
    pub const USUAL: Self = Self {
        demands: false,
        client_as_audience: false,
        expiry_required: true,
        issuer_may_be_missing: false,
        leeway: 60.0,
        max_age: None,
        required: &[],
    };
}

/// What a provider of its own ways makes necessary, each under a name of its own.
#[derive(Debug)]
pub struct Demands;

impl Demands {
    /// A further name of the issuer.
    pub const ALIAS: &str = "https://alias.example.com";
    /// A further claim that names the client.
    pub const CLIENT: &str = "appid";
    /// One of them has to be there.
    pub const ONE_OF: [&str; 2] = ["role", "group"];
    /// A claim, and the values of which it has to have one.
    pub const VALUES: (&str, [&str; 2]) = ("tier", ["gold", "1"]);
    /// A claim, and what it must not say.
    pub const REFUSED: (&str, [&str; 2]) = ("status", ["locked", "true"]);
    /// Where further scopes are.
    pub const SCOPES: [&str; 2] = ["access", "roles"];

    fn are_met(members: &Members, is_doubtful: &mut bool) -> bool {
        let mut says_something = |name: &&str| match members.get(name) {
            None | Some(Json::Null | Json::Bool(false)) => false,
            Some(Json::Text(text)) => {
                // Blanks may have been written in several ways.
                *is_doubtful |= !text.is_empty() && text.bytes().all(|byte| byte == b' ');
                !text.is_empty()
            }
            Some(Json::List(values)) => !values.is_empty(),
            Some(Json::Object(members)) => !members.0.is_empty(),
            Some(Json::Ambiguous | Json::Bool(true) | Json::Number(..)) => true,
        };
        let one_of = Self::ONE_OF.iter().filter(|name| says_something(name)).count() > 0;
        let values = has_one(members.get(Self::VALUES.0), &Self::VALUES.1) == Some(true);
        let refused = members.get(Self::REFUSED.0);
        one_of && values && (refused.is_none() || has_one(refused, &Self::REFUSED.1) == Some(false))
    }

    /// None: what is there can be read in no way.
    fn scopes(members: &Members) -> Option<Vec<&str>> {
        let [outer, inner] = Self::SCOPES;
        match members.get(outer).and_then(Json::object).and_then(|members| members.get(inner)) {
            None | Some(Json::Null) => Some(Vec::new()),
            Some(Json::Text(list)) => Some(list.split(' ').collect()),
            Some(value) => value.texts(),
        }
    }
}

/// Whether a value, or one of a list, is one of these texts. None: it is nothing that could be compared.
fn has_one(value: Option<&Json>, wanted: &[&str]) -> Option<bool> {
    let values = match value? {
        Json::List(values) => values.iter().collect(),
        one => vec![one],
    };
    let text = |value: &Json| match value {
        Json::Text(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null => Some("null".to_owned()),
        // A number that is written in another way is none of those that are wanted.
        Json::Number(_, whole) => Some(whole.map(|number| number.to_string()).unwrap_or_default()),
        Json::Ambiguous | Json::List(_) | Json::Object(_) => None,
    };
    let texts: Vec<String> = values.into_iter().map(text).collect::<Option<_>>()?;
    Some(texts.iter().any(|text| wanted.contains(&&**text)))
}

/// What is made of claims.
#[derive(Debug)]
pub struct Judgement {
    /// None: they are not acceptable.
    pub good: Option<Facts>,
    /// A date is so near to a limit, or a number so large, that readers may differ.
    pub is_doubtful: bool,
}

/// What acceptable claims say.
#[derive(Debug)]
pub struct Facts {
    subject: Option<String>,
    client: Option<String>,
    token_id: Option<String>,
    issuer: String,
    audiences: Vec<String>,
    scopes: Vec<String>,
    expires_at: Option<f64>,
    issued_at: Option<f64>,
    not_before: Option<f64>,
}

impl Judgement {
    /// Panics if a verdict is another one, or if an access token says something else.
    pub fn compare(&self, verdict: Option<&AccessToken>) {
        match (verdict, &self.good) {
            (Some(_), None) => assert!(self.is_doubtful, "accepted, but {self:?}"),
            (None, Some(_)) => assert!(self.is_doubtful, "rejected, but {self:?}"),
            (Some(token), Some(facts)) => facts.compare(token),
            (None, None) => {}
        }
    }
}

impl Facts {
    /// Whether a scope is among those of the token.
    pub fn grants(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    fn compare(&self, token: &AccessToken) {
        assert_eq!(token.subject(), self.subject.as_deref(), "subject");
        assert_eq!(token.client(), self.client.as_deref(), "client");
        assert_eq!(token.token_id(), self.token_id.as_deref(), "token id");
        assert_eq!(token.issuer(), Some(&*self.issuer), "issuer");
        assert!(token.audiences().eq(self.audiences.iter().map(String::as_str)), "audiences");
        assert!(token.scopes().iter().eq(self.scopes.iter().map(String::as_str)), "scopes of {token:?}");
        assert_date(token.expires_at(), self.expires_at);
        assert_date(token.issued_at(), self.issued_at);
        assert_date(token.not_before(), self.not_before);
    }
}

fn assert_date(own: Option<SystemTime>, expected: Option<f64>) {
    let seconds =
        |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(-1.0, |at| at.as_secs_f64());
    let same = match (own.map(seconds), expected) {
        (Some(own), Some(expected)) => (own - expected).abs() < DOUBT,
        (own, expected) => own.is_none() && expected.is_none(),
    };
    assert!(same, "{own:?} is not {expected:?}");
}

/// Judges claims that have been read.
pub fn claims(members: &Members, rules: &Rules) -> Judgement {
    let mut dates = Dates { is_doubtful: members.has_huge_number() };
    let good = judge(members, rules, &mut dates);
    Judgement { good, is_doubtful: dates.is_doubtful }
}

/// Judges the text of claims.
pub fn claims_text(text: &[u8], rules: &Rules) -> Judgement {
    match json::object(text) {
        Some(members) => claims(&members, rules),
        None => Judgement { good: None, is_doubtful: false },
    }
}

fn judge(members: &Members, rules: &Rules, dates: &mut Dates) -> Option<Facts> {
    // Dates first, so that a doubt is noticed whatever else is wrong.
    let (expires_at, issued_at, not_before) = dates.judge(members, rules)?;
    match members.get("iss") {
        Some(Json::Text(issuer)) if issuer == ISSUER => {}
        Some(Json::Text(issuer)) if rules.demands && issuer == Demands::ALIAS => {}
        None if rules.issuer_may_be_missing => {}
        _ => return None,
    }
    let audiences: Vec<String> = match members.get("aud") {
        None => Vec::new(),
        Some(value) => value.texts()?.into_iter().map(str::to_owned).collect(),
    };
    let client_is_meant = !members.has("aud") && rules.client_as_audience;
    let client_claim = members.get("client_id").or_else(|| members.get("azp"));
    let is_meant = audiences.iter().any(|audience| audience == AUDIENCE)
        || (client_is_meant && client_claim.and_then(Json::text) == Some(AUDIENCE));
    let name = |name| match members.get(name) {
        None => Some(None),
        Some(Json::Text(text)) if !text.is_empty() => Some(Some(text.clone())),
        Some(_) => None,
    };
    let (subject, client_id, azp, token_id) = (name("sub")?, name("client_id")?, name("azp")?, name("jti")?);
    let required =
        rules.required.iter().all(|name| members.get(name).is_some_and(|value| *value != Json::Null));
    let mut scopes = scopes(members)?;
    let mut client = client_id.or(azp);
    let mut demands = true;
    if rules.demands {
        client = client.or(name(Demands::CLIENT)?);
        let further = Demands::scopes(members)?;
        scopes = scope_set(scopes.iter().map(String::as_str).chain(further));
        demands = Demands::are_met(members, &mut dates.is_doubtful);
    }
    if !is_meant || !required || !demands || is_of_another_class(members) {
        return None;
    }
    Some(Facts {
        subject,
        client,
        token_id,
        issuer: ISSUER.to_owned(),
        audiences,
        scopes,
        expires_at,
        issued_at,
        not_before,
    })
}

/// `scope`, else `scp`. Both have to be readable. None: one is not.
fn scopes(members: &Members) -> Option<Vec<String>> {
    let both = ["scope", "scp"].map(|name| members.get(name));
    if both.iter().flatten().any(|value| value.texts().is_none()) {
        return None;
    }
    let listed: Vec<&str> = match both.into_iter().flatten().next() {
        Some(Json::Text(list)) => list.split(' ').collect(),
        Some(value) => value.texts()?,
        None => Vec::new(),
    };
    Some(scope_set(listed))
}

/// The scopes among texts (RFC 6749 §3.3), each once.
pub fn scope_set<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let is_scope = |text: &str| {
        let legal = |byte: u8| byte == 0x21 || (0x23..=0x5B).contains(&byte) || (0x5D..=0x7E).contains(&byte);
        !text.is_empty() && text.bytes().all(legal)
    };
    let mut set: Vec<String> = Vec::new();
    for text in texts {
        if is_scope(text) && !set.iter().any(|own| own == text) {
            set.push(text.to_owned());
        }
    }
    set
}

/// The words by which providers mark what is no access token.
const OTHER_CLASSES: &str = "authorization_code code dpop execute_actions id id_token idtoken initialaccesstoken \
    logout logout_token offline refresh refresh_token refreshtoken registrationaccesstoken reset_credentials \
    serialized_id userinfo verify_email";

fn is_of_another_class(members: &Members) -> bool {
    let marks = ["cnf", "events", "token_introspection", "at_hash", "c_hash", "s_hash"];
    let marked = marks.iter().any(|name| members.has(name));
    let used_otherwise = match members.get("token_use") {
        None => false,
        Some(value) => !matches!(value.text(), Some("access" | "access_token")),
    };
    let typ = members.text("typ").unwrap_or_default().to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    let other_type = typ.ends_with("+jwt") && typ != "at+jwt";
    let other_class = ["token_type", "typ", "type", "use"].iter().any(|name| {
        let class = members.text(name).unwrap_or_default().trim().to_ascii_lowercase();
        let class: String = class.chars().map(|c| if matches!(c, '-' | ' ') { '_' } else { c }).collect();
        OTHER_CLASSES.split_ascii_whitespace().any(|word| word == class)
    });
    marked || used_otherwise || other_type || other_class
}

struct Dates {
    is_doubtful: bool,
}

/// A date in seconds, and whether it is a whole number.
type Date = (f64, bool);
type Seconds = Option<f64>;

impl Dates {
    /// Expiry, beginning of the life and of the use.
    fn judge(&mut self, members: &Members, rules: &Rules) -> Option<(Seconds, Seconds, Seconds)> {
        let now = NOW as f64;
        // All three are read, so that no doubt is missed.
        let (exp, nbf, iat) =
            (self.read(members, "exp"), self.read(members, "nbf"), self.read(members, "iat"));
        let starts = [nbf, iat].into_iter().flatten().flatten();
        let early = starts.fold(false, |early, start| early | self.above(start, (now + rules.leeway, true)));
        let ended =
            exp.flatten().is_some_and(|(end, whole)| !self.above((end + rules.leeway, whole), (now, true)));
        let backwards = nbf.flatten().zip(exp.flatten()).is_some_and(|(start, end)| !self.above(end, start));
        let aged = rules.max_age.zip(iat.flatten()).map(|(age, (start, whole))| (start + age, whole));
        let too_old = aged.is_some_and(|(end, whole)| !self.above((end + rules.leeway, whole), (now, true)));
        let (exp, nbf, iat) = (exp?, nbf?, iat?);
        if early || ended || backwards || too_old {
            return None;
        }
        if (rules.expiry_required && exp.is_none()) || (rules.max_age.is_some() && iat.is_none()) {
            return None;
        }
        let seconds = |date: Option<Date>| date.map(|(seconds, _)| seconds);
        let end = match (seconds(exp), seconds(aged)) {
            (Some(exp), Some(aged)) => Some(exp.min(aged)),
            (exp, aged) => exp.or(aged),
        };
        Some((end, seconds(iat), seconds(nbf)))
    }

    /// None: it is there, and no date.
    fn read(&mut self, members: &Members, name: &str) -> Option<Option<Date>> {
        match members.get(name) {
            None => Some(None),
            Some(Json::Number(seconds, whole)) => {
                let date = (*seconds, whole.is_some());
                let in_range = !self.above((0.0, true), date) && !self.above(date, (LAST_SECOND, true));
                in_range.then_some(Some(date))
            }
            Some(_) => None,
        }
    }

    /// Whether one is later than the other.
    fn above(&mut self, (one, one_whole): Date, (other, other_whole): Date) -> bool {
        self.is_doubtful |= !(one_whole && other_whole) && (one - other).abs() < DOUBT;
        one > other
    }
}

/// The claims of RFC 9068 §2.2.
pub const RFC9068_CLAIMS: &[&str] = &["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/// The moment at so many seconds after 1970.
pub fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
