//! Acts that two operators sign on two machines, and the policy: through the program, on homes and on plain
//! files.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, number},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const MISSING: i32 = 3;
const INVALID: i32 = 4;
const DENIED: i32 = 5;

/// A library whose root requires two of two operators, each with a key in a file of its own.
struct Two {
    pair: Pair,
    /// A machine without a home.
    desk: Home,
    first: String,
    second: String,
    publisher: String,
}

impl Two {
    fn new() -> Result<Self> {
        let pair = Pair::new()?;
        let desk = Home::at(pair.scratch().join("no-home"))?;
        let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
        let key = |name: &str| -> Result<(String, String)> {
            let made = desk.json(["key", "new", "--plain", &path(name)])?;
            Ok((path(name), text(&made, "key").to_owned()))
        };
        let (root, root_public) = key("root.key")?;
        let (first, first_public) = key("operator-1.key")?;
        let (second, second_public) = key("operator-2.key")?;
        let (publisher, publisher_public) = key("publisher.key")?;
        let file = path("films.root");
        let init = [
            "root",
            "init",
            &file,
            "--name",
            "films",
            "--root-key",
            &root_public,
            "--publisher",
            &publisher_public,
        ];
        desk.run([&init[..], &["--operator", &first_public, "--operator", &second_public]].concat())?;
        desk.run(["root", "set-threshold", &file, "operator", "2"])?;
        // `sign` signs a file of roots as well as a request.
        desk.run(["sign", &file, "--key", &root, "--yes"])?;
        let (code, error) = pair.origin.fails(["found", &file, "--key", &first])?;
        ensure!(code == DENIED && error.contains("2 of the 2 operator keys"), "{code}: {error}");
        pair.origin.run(["found", &file, "--key", &first, "--key", &second])?;
        media::library(&pair.library, 1, 100_000, 1)?;
        let two = Self { desk, first, second, publisher, pair };
        two.publish(&[])?;
        Ok(two)
    }

    fn publish(&self, more: &[&str]) -> Result<String> {
        let folder = self.pair.library.to_string_lossy().into_owned();
        let publish = ["publish", &folder, "-l", "films", "--key", &self.publisher];
        self.pair.origin.run([&publish[..], more].concat())
    }

    fn path(&self, name: &str) -> String {
        self.pair.scratch().join(name).to_string_lossy().into_owned()
    }

    /// Writes an act to a file, signed by the first operator.
    fn request(&self, name: &str, act: &[&str]) -> Result<(String, Value)> {
        let file = self.path(name);
        let asked = self.pair.origin.json([act, &["--key", &self.first, "--request", &file]].concat())?;
        Ok((file, asked))
    }

    /// The second operator signs on a machine without a home and without a network, and the origin applies
    /// the request.
    fn sign_and_apply(&self, file: &str) -> Result<Value> {
        self.desk.run(["sign", file, "--key", &self.second, "--yes"])?;
        self.pair.origin.json(["sign", file, "--apply"])
    }
}

fn count(shown: &Value, name: &str) -> Option<u64> {
    shown.pointer(&format!("/signatures/{name}")).and_then(Value::as_u64)
}

fn member<'v>(list: &'v Value, name: &str) -> Result<&'v Value> {
    let members = list.get("members").and_then(Value::as_array).context("members")?;
    members.iter().find(|row| text(row, "name") == name).with_context(|| format!("no {name} in {list}"))
}

#[test]
fn two_operators_on_two_machines_grant_and_revoke() -> Result<()> {
    let two = Two::new()?;
    let identity = two.pair.mirror.json(["id"])?;
    let (node, key) = (text(&identity, "id"), text(&identity, "key"));
    let grant =
        ["grant", node, "-l", "films", "--all-classes", "--node-key", key, "--name", "far", "--region", "eu"];

    // One operator alone is refused, and the error names the remedy.
    let (code, error) = two.pair.origin.fails([&grant[..], &["--key", &two.first]].concat())?;
    ensure!(
        code == DENIED && error.contains("2 of the 2 operator keys") && error.contains("--request"),
        "{error}"
    );
    let (file, asked) = two.request("grant.request", &grant)?;
    ensure!(
        (count(&asked, "have"), count(&asked, "need"), count(&asked, "of")) == (Some(1), Some(2), Some(2)),
        "{asked}"
    );
    ensure!(
        asked.get("complete") == Some(&Value::Bool(false))
            && asked.get("applied") == Some(&Value::Bool(false))
    );
    let again = two.pair.origin.fails([&grant[..], &["--key", &two.first, "--request", &file]].concat())?;
    ensure!(again.0 == INVALID, "an existing request file was overwritten: {again:?}");
    let (code, error) = two.pair.origin.fails(["sign", &file, "--apply"])?;
    ensure!(code == DENIED && error.contains("1 of 2 signatures"), "{code}: {error}");

    // The second operator checks the request on another machine: its content, its signers, and the same
    // fingerprint.
    let shown = two.desk.json(["sign", &file, "--show"])?;
    ensure!(text(&shown, "fingerprint") == text(&asked, "fingerprint"), "{shown}");
    let said = two.desk.run(["sign", &file, "--show"])?;
    for part in [node, key, "region: eu", "waiting for", "1 of 2 needed", text(&shown, "fingerprint")] {
        ensure!(said.contains(part), "no `{part}` in {said}");
    }
    // Without a terminal for a confirmation, nothing is signed.
    let (code, error) = two.desk.fails(["sign", &file, "--key", &two.second])?;
    ensure!(code == 2 && error.contains("--yes"), "{code}: {error}");
    let (code, error) = two.desk.fails(["sign", &file, "--key", &two.publisher, "--yes"])?;
    ensure!(code == DENIED && error.contains("operator key of films"), "{code}: {error}");
    let signed = two.desk.json(["sign", &file, "--key", &two.second, "--yes"])?;
    ensure!(signed.get("complete") == Some(&Value::Bool(true)), "{signed}");

    // A home that does not know the library cannot apply it; an altered file is detected.
    let (code, error) = two.pair.mirror.fails(["sign", &file, "--apply"])?;
    ensure!(code == MISSING && error.contains("does not know"), "{code}: {error}");
    let mut bytes = fs::read(&file)?;
    let at = bytes.windows(3).rposition(|part| part == b"far").context("the name")?;
    bytes[at] = b'c';
    let altered = two.path("altered.request");
    fs::write(&altered, bytes)?;
    let (code, error) = two.desk.fails(["sign", &altered, "--show"])?;
    ensure!(code == DENIED && error.contains("altered"), "{code}: {error}");

    let applied = two.pair.origin.json(["sign", &file, "--apply"])?;
    ensure!(applied.get("applied") == Some(&Value::Bool(true)), "{applied}");
    let members = two.pair.origin.json(["members", "films"])?;
    ensure!(text(member(&members, "far")?, "region") == "eu", "{members}");
    ensure!(two.pair.origin.run(["members", "films"])?.contains("REGION"));
    let again = two.pair.origin.json(["sign", &file, "--apply"])?;
    ensure!(again.to_string().contains("knew it already"), "{again}");

    // In an emergency one operator is enough.
    two.pair.origin.run(["revoke", node, "-l", "films", "--reason", "stolen", "--key", &two.second])?;
    // A request from before the revocation does not restore the node.
    let (code, error) = two.pair.origin.fails(["sign", &file, "--apply"])?;
    ensure!(code == DENIED || code == 6, "{code}: {error}");
    let members = two.pair.origin.json(["members", "films"])?;
    let rows = members.get("members").and_then(Value::as_array).context("members")?;
    let far = rows.iter().find(|row| text(row, "node") == node).context("the mirror")?;
    ensure!(text(far, "state") == "revoked", "{members}");
    Ok(())
}

#[test]
fn two_operators_invite_and_move_a_channel() -> Result<()> {
    let two = Two::new()?;
    let server = two.pair.origin.serve()?;
    let (file, asked) = two.request("invite.request", &["invite", "-l", "films", "--region", "cn-north"])?;
    let ticket = text(&asked, "ticket").to_owned();
    // The origin listens on the loopback interface. Symptom: only `invite` without a request file said so.
    ensure!(asked.get("addresses_private") == Some(&Value::Bool(true)), "{asked}");
    let other = two.path("other.request");
    let said = two.pair.origin.run(["invite", "-l", "films", "--key", &two.first, "--request", &other])?;
    ensure!(said.contains("! nodes of other networks cannot reach the addresses in the ticket"), "{said}");
    let public = two.path("public.request");
    let public =
        ["invite", "-l", "films", "--key", &two.first, "--address", "192.0.2.1:4040", "--request", &public];
    let said = two.pair.origin.run(public)?;
    ensure!(!said.contains("cannot reach"), "{said}");
    let (code, error) = two.pair.mirror.fails(["join", &ticket])?;
    ensure!(code == DENIED, "the ticket is valid before the request is applied: {code}: {error}");
    two.sign_and_apply(&file)?;
    two.pair.mirror.run(["join", &ticket])?;
    two.pair.pull()?;
    two.pair.check_restored()?;
    let members = two.pair.mirror.json(["members", "films"])?;
    ensure!(text(member(&members, "mirror")?, "region") == "cn-north", "{members}");

    fs::write(two.pair.library.join("new.txt"), "more")?;
    two.publish(&[])?;
    fs::write(two.pair.library.join("newer.txt"), "and more")?;
    two.publish(&[])?;
    let (file, _) = two.request("set.request", &["channel", "set", "films", "canary", "films@2"])?;
    let said = two.desk.run(["sign", &file, "--show"])?;
    ensure!(said.contains("moves channel canary to release 2 "), "{said}");
    // Each operator signs a copy, and the copies are merged.
    let copy = two.path("copy.request");
    fs::copy(&file, &copy)?;
    two.desk.run(["sign", &copy, "--key", &two.second, "--yes"])?;
    let merged = two.desk.json(["sign", &file, "--import", &copy])?;
    ensure!(merged.get("complete") == Some(&Value::Bool(true)), "{merged}");
    two.pair.origin.run(["sign", &file, "--apply"])?;
    ensure!(two.pair.origin.run(["channel", "list", "films"])?.contains("canary"));
    for act in [&["promote", "films", "canary", "live"][..], &["rollback", "films"]] {
        let name = act[0];
        let (file, _) = two.request(&format!("{name}.request"), act)?;
        two.sign_and_apply(&file).with_context(|| name.to_owned())?;
    }
    drop(server);
    Ok(())
}

const POLICY: &str = r#"
excludes = ["*.bak"]

[[class]]
name = "news"
paths = ["news/**"]
mirror = "dynamic"
every = "5m"
replicas = 3
regions = ["eu"]
retention = { releases = 10 }

[[class]]
name = "default"
priority = 7
"#;

fn write(path: &Path, text: &str) -> Result<String> {
    fs::write(path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

#[test]
fn a_policy_is_set_shown_checked_and_explained() -> Result<()> {
    let two = Two::new()?;
    let origin = &two.pair.origin;
    fs::create_dir(two.pair.library.join("news"))?;
    fs::write(two.pair.library.join("news/today.txt"), "the river rises")?;
    let file = write(&two.pair.scratch().join("policy.toml"), POLICY)?;
    ensure!(origin.run(["policy", "show", "films"])?.contains("keeps everything"));
    ensure!(origin.fails(["policy", "explain", "films"])?.0 == MISSING);

    // The classes must exist before a policy can name them.
    let (code, error) = origin.fails(["policy", "set", "films", &file, "--dry-run"])?;
    ensure!(
        code == INVALID && error.contains("no class `news`") && error.contains("publish with `--policy`"),
        "{error}"
    );
    two.publish(&["--policy", &file])?;
    let dry = origin.json(["policy", "set", "films", &file, "--dry-run"])?;
    ensure!(dry.get("set") == Some(&Value::Bool(false)) && dry.to_string().contains("priority 7"), "{dry}");
    let unset = origin.json(["policy", "show", "films"])?;
    ensure!(unset.get("sequence") == Some(&Value::Null), "a dry run sets nothing: {unset}");

    let (request, _) = two.request("policy.request", &["policy", "set", "films", &file])?;
    two.sign_and_apply(&request)?;
    let shown = origin.json(["policy", "show", "films"])?;
    ensure!(number(&shown, "sequence")? == 1, "{shown}");
    let news = shown
        .get("classes")
        .and_then(Value::as_array)
        .and_then(|rows| rows.iter().find(|row| text(row, "name") == "news"));
    let news = news.with_context(|| format!("no news in {shown}"))?;
    ensure!(number(news, "every_seconds")? == 300 && number(news, "keep_releases")? == 10, "{news}");
    let checked = origin.run(["policy", "check", "films"])?;
    ensure!(checked.contains("wants 3 whole copies") && checked.contains("region eu"), "{checked}");
    let explained = origin.run(["policy", "explain", "films"])?;
    ensure!(explained.contains("class news: dynamic mirrors; looked for every 5 min"), "{explained}");

    // A later file replaces the policy completely; an error in a file is named, and the policy stays.
    let wrong = write(&two.pair.scratch().join("wrong.toml"), "excludes = [\"a/b\"]")?;
    let (code, error) = origin.fails(["policy", "set", "films", &wrong])?;
    ensure!(code == INVALID && error.contains("names a path"), "{code}: {error}");
    let stale =
        write(&two.pair.scratch().join("stale.toml"), "[[class]]\nname = \"news\"\nmax_stale = \"1h\"")?;
    ensure!(origin.fails(["policy", "check", "films", &stale])?.0 == INVALID);
    let less = write(&two.pair.scratch().join("less.toml"), "junk = false")?;
    let (request, asked) = two.request("less.request", &["policy", "set", "films", &less])?;
    ensure!(asked.to_string().contains("it keeps everything"), "{asked}");
    two.sign_and_apply(&request)?;
    let shown = origin.json(["policy", "show", "films"])?;
    ensure!(shown.get("junk") == Some(&Value::Bool(false)) && number(&shown, "sequence")? == 2, "{shown}");
    Ok(())
}
