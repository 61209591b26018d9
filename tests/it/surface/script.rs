//! The script: every command at least once, and command lines that fail. `$dir` is the temporary folder.
//!
//! Commands run again where a field is absent or empty the first time. The homes are `origin`, `mirror`, a
//! copy `twin` of the origin, and `none`, which does not exist.

use std::{fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result};
use chuan_tests::program::copy;

use super::scenario::Scenario;

/// A policy with every setting of a class.
const POLICY: &str = r#"
excludes = ["*.bak"]

[[class]]
name = "news"
paths = ["news/**"]
mirror = "dynamic"
every = "5m"
priority = 200
complete_by = "1h"
rto = "15m"
rpo = "1h"
viewers = 50
replicas = 3
regions = ["eu"]
retention = { releases = 10, time = "90d" }
max_stale = "1h"
"#;

/// A policy with a path where a name must be.
const WRONG_POLICY: &str = r#"excludes = ["a/b"]"#;

/// Runs all of it.
pub(super) fn run(s: &mut Scenario) -> Result<()> {
    make_files(s)?;
    keys_and_roots(s)?;
    publish(s)?;
    let server = s.serve("origin", None)?;
    root_and_policy(s)?;
    channels(s)?;
    mirror(s)?;
    audit(s)?;
    two_operators(s)?;
    refused_lines(s)?;
    refused_by_the_node(s)?;
    revoke_and_readmit(s)?;
    let address = server.address.clone();
    server.stop()?;
    twin(s, &address)?;
    damage(s)
}

fn all(s: &mut Scenario, home: &str, lines: &[&str]) -> Result<()> {
    lines.iter().try_for_each(|line| s.run(home, line).map(drop))
}

fn make_files(s: &Scenario) -> Result<()> {
    s.write("films/news/today.txt", "the river rises")?;
    s.write("films/news/draft.bak", "the river")?;
    s.write("films/.DS_Store", "junk")?;
    s.film("films/a.mp4", 1)?;
    symlink("a.mp4", s.path("films/link"))?;
    symlink("/", s.path("films/outside"))?;
    s.write("note.txt", "one file")?;
    s.write("policy.toml", POLICY)?;
    s.write("wrong.toml", WRONG_POLICY)
}

/// A root that two operators decide, signed on a copy.
fn keys_and_roots(s: &mut Scenario) -> Result<()> {
    for name in ["root", "one", "two", "publisher", "time"] {
        let made = s.run("none", &format!("key new --plain $dir/{name}.key"))?;
        s.set_from(&format!("public_{name}"), &made, "key")?;
    }
    all(
        s,
        "none",
        &[
            "key show $dir/root.key",
            "key passphrase --plain $dir/time.key",
            "root init $dir/clips.root --name clips --root-key $public_root --operator $public_one \
             --operator $public_two --publisher $public_publisher=default",
            "root set-threshold $dir/clips.root operator 2",
            "root add-key $dir/clips.root timekeeper $public_time",
            "root set-expiry $dir/clips.root 30d",
            "root rename $dir/clips.root shorts",
            "root fingerprint $dir/clips.root",
        ],
    )?;
    copy(&s.path("clips.root"), &s.path("copy.root"))?;
    all(
        s,
        "none",
        &[
            "root sign $dir/copy.root --key $dir/root.key --yes",
            "root import $dir/clips.root $dir/copy.root",
            "root show $dir/clips.root",
            "root remove-key $dir/copy.root timekeeper $public_time --drop",
            "root sign $dir/copy.root --key $dir/root.key --yes",
            "root fingerprint $dir/copy.root",
        ],
    )
}

fn publish(s: &mut Scenario) -> Result<()> {
    let origin = s.run("origin", "init --name origin --role origin")?;
    s.set_from("origin", &origin, "id")?;
    let mirror = s.run("mirror", "init --name mirror --role mirror")?;
    s.set_from("mirror", &mirror, "id")?;
    s.set_from("public_mirror", &mirror, "key")?;
    s.run("origin", "publish $dir/films -l films --dry-run")?;
    let first = "publish $dir/films -l films --policy $dir/policy.toml --message first";
    let published = s.run("origin", first)?;
    s.set_from("library", &published, "library")
}

fn root_and_policy(s: &mut Scenario) -> Result<()> {
    all(
        s,
        "origin",
        &[
            "id",
            "root export films $dir/films.root",
            "root add-key $dir/films.root timekeeper $public_time",
            "root sign $dir/films.root --key $dir/origin/keys/$library/root.key --yes",
            "root apply $dir/films.root",
            "policy show films",
            "policy set films $dir/policy.toml --dry-run",
            "policy set films $dir/policy.toml",
            "policy show films",
            "policy check films",
            "policy explain films",
        ],
    )
}

/// Two releases, and two channels that change places; read before and after a timekeeper vouches.
fn channels(s: &mut Scenario) -> Result<()> {
    s.film("films/b.mp4", 2)?;
    s.write("films/a control \u{1} character", "")?;
    s.write("films/news/today.txt", "the river falls")?;
    let publish = "publish $dir/films -l films --progress json";
    s.ends("an item cannot be taken", "origin", publish)?;
    all(
        s,
        "origin",
        &[
            "channel set films canary films@2",
            "channel set films canary films@1 --no-follow --yes",
            "rollback films --yes",
            "channel set films canary films@2",
            "promote films canary live",
        ],
    )?;
    let reads =
        ["channel list films", "releases films", "ls films", "diff films@1 films@live", "history films"];
    all(s, "origin", &reads)?;
    s.run("origin", "fresh films --key $dir/time.key")?;
    all(s, "origin", &reads)
}

fn mirror(s: &mut Scenario) -> Result<()> {
    let invited = s.run("origin", "invite -l films --class default")?;
    s.set_from("ticket", &invited, "ticket")?;
    all(s, "mirror", &["join $ticket", "pull films --dry-run", "pull films", "pull films"])?;
    s.run("origin", "grant $mirror -l films --all-classes --region eu")?;
    all(
        s,
        "mirror",
        &[
            "pull films --progress json",
            "pull films@1",
            "ls films",
            "restore films $dir/restored --progress json",
        ],
    )?;
    s.write("restored/mine.txt", "of the user")?;
    s.write("restored/a.mp4", "changed")?;
    s.run("mirror", "restore films@2 $dir/restored --dry-run --delete")?;
    s.write("occupied/a.mp4/mine.txt", "of the user")?;
    s.ends("a path cannot be restored", "mirror", "restore films $dir/occupied")?;
    all(
        s,
        "mirror",
        &[
            "verify",
            "verify --deep --progress json",
            "rebuild",
            "ledger keep a --dry-run",
            "ledger keep a --yes",
        ],
    )
}

fn audit(s: &mut Scenario) -> Result<()> {
    s.run("mirror", "audit checkpoint $origin $dir/origin.checkpoint")?;
    all(
        s,
        "origin",
        &[
            "audit verify",
            "audit verify --checkpoint $dir/origin.checkpoint",
            "audit tail -n 1000",
            "audit show",
            "audit show 3",
            "audit export",
            "audit export $dir/origin.audit",
            "status",
            "ledger show",
            "home backup $dir/origin.backup",
        ],
    )?;
    s.run("again", "home restore $dir/origin.backup")?;
    s.run("again", "home move $dir/elsewhere")?;
    s.run("none", "audit verify --export $dir/origin.audit --checkpoint $dir/origin.checkpoint")?;
    s.ends_by_a_signal("origin", "audit tail --follow")
}

/// A second library, in which an act needs two signatures.
fn two_operators(s: &mut Scenario) -> Result<()> {
    let one = "--key $dir/one.key --request";
    s.run("origin", "found $dir/clips.root --key $dir/one.key --key $dir/two.key")?;
    let grant = "grant $mirror -l shorts --node-key $public_mirror --class default";
    s.run("origin", &format!("{grant} {one} $dir/grant.request"))?;
    s.run("none", "sign $dir/grant.request --show")?;
    copy(&s.path("grant.request"), &s.path("copy.request"))?;
    s.run("none", "sign $dir/copy.request --key $dir/two.key --yes")?;
    s.run("none", "sign $dir/grant.request --import $dir/copy.request")?;
    s.run("origin", "sign $dir/grant.request --apply")?;
    s.run("origin", &format!("invite -l shorts {one} $dir/invite.request"))?;
    s.ends("one of two operators has signed", "origin", "sign $dir/invite.request --apply")?;
    let sign = "sign $dir/invite.request --key $dir/two.key";
    s.ends("there is no terminal to ask", "none", sign)?;
    s.run("origin", "members shorts").map(drop)
}

/// Lines that are wrong, or name a missing thing.
fn refused_lines(s: &mut Scenario) -> Result<()> {
    for (reason, home, line) in [
        ("an argument is missing", "origin", "ls"),
        ("an option is unknown", "origin", "status --nothing"),
        ("a value is wrong", "origin", "invite --expires tomorrow"),
        ("there is no home", "none", "status"),
        ("there is no such library", "origin", "ls nothing"),
        ("there is no such release", "origin", "ls films@99"),
        ("there is no such path", "origin", "cat films nothing"),
        ("this is no ticket", "origin", "join chuan1nothing"),
        ("the home exists", "origin", "init"),
        ("the destination is a home", "origin", "restore films $dir/mirror"),
        ("the source is a home", "origin", "publish $dir/mirror -l films"),
        ("the policy has an error", "origin", "policy check films $dir/wrong.toml"),
    ] {
        s.ends(reason, home, line)?;
    }
    Ok(())
}

/// Correct lines that the node or the system refuses.
fn refused_by_the_node(s: &mut Scenario) -> Result<()> {
    for (reason, home, line) in [
        ("the key has no role", "origin", "revoke $mirror -l films --key $dir/two.key"),
        ("the home is served already", "origin", "serve --listen 127.0.0.1:0"),
        ("a file is in the place of a folder", "origin", "restore films $dir/note.txt/below"),
        ("a folder is in the place of a file", "none", "root show $dir/films"),
        ("the name of the peer has no address", "mirror", "pull films --from a..b:1"),
    ] {
        s.ends(reason, home, line)?;
    }
    s.ends_on_a_full_device("origin", "releases films")
}

fn revoke_and_readmit(s: &mut Scenario) -> Result<()> {
    all(
        s,
        "origin",
        &[
            "grant $mirror -l films --class default --dry-run",
            "grant $mirror -l films --class later --new-class --yes",
            "revoke $origin -l films --dry-run",
            "channel set films canary films@1 --dry-run",
            "rollback films --dry-run",
        ],
    )?;
    s.ends("the class does not exist", "origin", "grant $mirror -l films --class nothing")?;
    s.ends("this takes rights from other nodes", "origin", "revoke $origin -l films --this-node")?;
    all(s, "origin", &["revoke $mirror -l films --reason stolen", "members films"])?;
    s.ends("the node is revoked", "mirror", "pull films")?;
    all(
        s,
        "origin",
        &[
            "grant $mirror -l films --all-classes --node-key $public_mirror --name mirror",
            "statements export films $dir/readmitted.statements",
        ],
    )?;
    s.run("mirror", "statements import $dir/readmitted.statements").map(drop)
}

/// A copy of the origin's home serves in its place. It lacks the newest release, and contradicts the origin.
fn twin(s: &mut Scenario, address: &str) -> Result<()> {
    copy(&s.path("origin"), &s.path("twin"))?;
    all(
        s,
        "origin",
        &[
            // A hidden option, which older scripts have.
            "publish $dir/note.txt -l films --skip-unreadable",
            "publish $dir/note.txt -l films --as notes/note.txt --dry-run",
            "channel set films canary films@1 --yes",
            "statements export films $dir/newer.statements",
        ],
    )?;
    all(s, "twin", &["channel set films canary films@2", "statements export films $dir/twin.statements"])?;
    let server = s.serve("twin", Some(address))?;
    s.run("mirror", "statements import $dir/newer.statements")?;
    s.ends("a newer release is announced, and no node has it", "mirror", "pull films")?;
    s.run("mirror", "status")?;
    server.stop()?;
    all(s, "origin", &["statements import $dir/twin.statements", "conflicts", "status", "rotate"])?;
    // The mirror has passed on a checkpoint of the origin: records are missing in the log of the twin.
    s.run("twin", "audit verify").map(drop)
}

fn damage(s: &mut Scenario) -> Result<()> {
    let film = fs::read(s.path("films/a.mp4"))?;
    let half = film.get(film.len() / 2..).context("an empty film")?;
    flip(&s.path("twin/store/segments/00000001.seg"), half)?;
    for (reason, line) in [
        ("content is damaged", "cat films@2 a.mp4"),
        ("content is damaged", "verify --deep"),
        ("content is missing", "verify"),
        ("content is missing", "restore films@2 $dir/damaged"),
        ("content is damaged", "rebuild"),
    ] {
        s.ends(reason, "twin", line)?;
    }
    flip(&s.path("twin/ledger/a"), b"default")?;
    s.ends("the ledger is damaged", "twin", "ledger show")?;
    flip(&s.path("twin/audit/00000000000000000000.log"), b"films")?;
    s.ends("the audit log is altered", "twin", "audit verify")
}

/// Changes a byte of a file, where it has the bytes `part`.
fn flip(file: &Path, part: &[u8]) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let found = bytes.windows(part.len()).position(|window| window == part);
    let at = found.with_context(|| format!("{}: not found", file.display()))?;
    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
    fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
}
