//! An example or more for each command, for its `--help` and its manual page. A test parses each of them.

/// The examples of a command, named without `chuan`: a line, and its effect.
pub(super) fn of(command: &str) -> &'static [(&'static str, &'static str)] {
    EXAMPLES.iter().find(|(name, _)| *name == command).map_or(&[], |(_, examples)| examples)
}

type Examples = &'static [(&'static str, &'static str)];

const EXAMPLES: &[(&str, Examples)] = &[
    ("init", &[("chuan init --name berlin --role mirror", "")]),
    (
        "serve",
        &[
            ("chuan serve", "listen as chuan.toml says"),
            ("chuan serve --listen 0.0.0.0:4040", "listen on UDP port 4040"),
            ("chuan serve --no-follow", "new releases wait for `chuan pull`"),
        ],
    ),
    ("id", &[("chuan id", "")]),
    ("rotate", &[("chuan rotate --grace 2d", "")]),
    ("join", &[("chuan join --ticket-file ticket.txt", "the file has what `chuan invite -q` printed")]),
    (
        "pull",
        &[
            ("chuan pull films", "bring `live` to its newest release"),
            ("chuan pull films --dry-run", "print what would be transferred"),
            ("chuan pull films@12", "fetch release 12"),
            ("chuan pull films --from 192.0.2.7:4040", "ask this peer only"),
        ],
    ),
    (
        "restore",
        &[
            ("chuan restore films /srv/films", "write the release of `live`"),
            ("chuan restore films /srv/films --delete -n", "print what would change, also what would go"),
            ("chuan restore films@12 /srv/old --path *.mp4", "write some files of release 12"),
        ],
    ),
    ("releases", &[("chuan releases films", "")]),
    ("ls", &[("chuan ls films@12", "")]),
    ("diff", &[("chuan diff films@11 films@12", "")]),
    ("cat", &[("chuan cat films trailers/a.mp4 --range 0-1023", "the first KiB of a file")]),
    ("verify", &[("chuan verify --deep", "hash every stored byte")]),
    ("rebuild", &[("chuan rebuild", "")]),
    ("members", &[("chuan members films", "")]),
    ("history", &[("chuan history films --channel canary", "")]),
    ("conflicts", &[("chuan conflicts", "")]),
    ("status", &[("chuan status", ""), ("chuan status --json", "for scripts")]),
    ("audit tail", &[("chuan audit tail -n 50 --follow", "")]),
    ("audit show", &[("chuan audit show 120", "record 120")]),
    (
        "audit verify",
        &[
            ("chuan audit verify", "the log of this home"),
            ("chuan audit verify --export log.jsonl --checkpoint c", "an export, without a home"),
        ],
    ),
    ("audit export", &[("chuan audit export log.jsonl", "")]),
    ("audit checkpoint", &[("chuan audit checkpoint origin origin.checkpoint", "")]),
    (
        "publish",
        &[
            ("chuan publish /srv/films -l films -m spring", "publish a folder"),
            ("chuan publish /srv/films -l films --dry-run", "print what is new, changed and gone"),
            ("chuan publish a.mp4 -l films", "add or replace one file"),
            ("chuan publish cut.mp4 -l films --as masters/cut.mp4", "the same, at a path"),
        ],
    ),
    ("found", &[("chuan found films.root --key operator.key", "")]),
    (
        "invite",
        &[
            ("chuan invite -l films", "a ticket for one mirror, valid for 7 days"),
            (
                "chuan invite -l films --class trailers --uses 3 --expires 2h",
                "for three nodes, with one class",
            ),
        ],
    ),
    (
        "grant",
        &[
            ("chuan grant berlin -l films --class trailers", "change the classes of a member"),
            ("chuan grant berlin -l films --all-classes --expires 30d", "all classes, for 30 days"),
        ],
    ),
    (
        "revoke",
        &[
            ("chuan revoke berlin -l films --reason retired", ""),
            ("chuan revoke berlin -l films --dry-run", "print which nodes lose rights"),
        ],
    ),
    ("promote", &[("chuan promote films canary live", "`live` goes to the release of `canary`")]),
    (
        "rollback",
        &[
            ("chuan rollback films", "`live` goes back by one release"),
            ("chuan rollback films --to 12", "`live` goes back to release 12"),
            ("chuan rollback films --channel canary", "`canary` goes back by one release"),
        ],
    ),
    ("fresh", &[("chuan fresh films", "")]),
    (
        "channel set",
        &[
            ("chuan channel set films canary films@12", "`canary` points to release 12"),
            ("chuan channel set films live canary", "`live` goes to the release of `canary`"),
            ("chuan channel set films live 12 --no-follow", "new releases do not move `live`"),
            ("chuan channel set films live 12 --publisher 3f2a", "another publisher takes over"),
        ],
    ),
    ("channel list", &[("chuan channel list films", "")]),
    (
        "policy set",
        &[
            ("chuan policy set films policy.toml --dry-run", "print what would change"),
            ("chuan policy set films policy.toml", "sign it and apply it"),
            ("chuan policy set films policy.toml --request r", "let other operators sign it, too"),
        ],
    ),
    ("policy show", &[("chuan policy show films", "")]),
    ("policy check", &[("chuan policy check films policy.toml", "")]),
    ("policy explain", &[("chuan policy explain films policy.toml", "")]),
    (
        "sign",
        &[
            ("chuan grant 3f2a --all-classes --request r", "request a grant"),
            ("chuan sign r --show", "show its content and its signatures"),
            ("chuan sign r --key operator-2.key", "show it, ask, and sign it"),
            ("chuan sign r --apply", "apply it, in any home of the library"),
        ],
    ),
    ("statements export", &[("chuan statements export films films.statements", "")]),
    ("statements import", &[("chuan statements import films.statements", "")]),
    ("key new", &[("chuan key new operator.key", "")]),
    ("key show", &[("chuan key show operator.key", "")]),
    ("key passphrase", &[("chuan key passphrase operator.key", "")]),
    (
        "root init",
        &[(
            "chuan root init films.root --name films --root-key KEY --operator KEY --publisher KEY",
            "KEY: as `chuan key show` prints it",
        )],
    ),
    ("root show", &[("chuan root show films.root", "")]),
    ("root fingerprint", &[("chuan root fingerprint films.root", "")]),
    ("root add-key", &[("chuan root add-key films.root publisher KEY --class trailers", "")]),
    (
        "root remove-key",
        &[("chuan root remove-key films.root operator KEY --statements films.statements", "")],
    ),
    ("root set-threshold", &[("chuan root set-threshold films.root operator 2", "")]),
    ("root set-expiry", &[("chuan root set-expiry films.root 365d", "")]),
    ("root rename", &[("chuan root rename films.root movies", "")]),
    ("root sign", &[("chuan root sign films.root --key root.key", "")]),
    ("root export", &[("chuan root export films films.root", "")]),
    ("root apply", &[("chuan root apply films.root", "")]),
    ("root import", &[("chuan root import films.root films-signed.roots", "")]),
    ("ledger show", &[("chuan ledger show", "")]),
    (
        "ledger keep",
        &[
            ("chuan ledger keep a --dry-run", "print what it would do"),
            ("chuan ledger keep a --yes", "make both files anew from `a`"),
        ],
    ),
    (
        "home backup",
        &[(
            "chuan home backup /media/usb/origin.backup",
            "keys, settings and peers; keep it apart from this machine",
        )],
    ),
    (
        "home restore",
        &[("chuan --home /srv/new home restore /media/usb/origin.backup", "the home must not exist yet")],
    ),
    ("home move", &[("chuan home move /srv/films-home", "")]),
    ("completions", &[("chuan completions bash", "")]),
    ("man", &[("chuan man /usr/local/share/man/man1", "")]),
];

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::args;

    /// The key in the examples, which are too narrow for a real one.
    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let path = format!("{path} {}", below.get_name());
            let before = found.len();
            leaves(below, &path, found);
            if found.len() == before {
                found.push(path.trim().to_owned());
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_parse() {
        let mut commands = Vec::new();
        leaves(&args::command(), "", &mut commands);
        assert!(commands.len() > 40, "{commands:?}");
        let lacking: Vec<_> = commands.iter().filter(|command| of(command).is_empty()).collect();
        assert!(lacking.is_empty(), "no example for {lacking:?}");
        assert_eq!(EXAMPLES.len(), commands.len());
        for (line, _) in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let words = line.replace("KEY", KEY);
            let words = words.split(' ').map(Into::into).collect();
            args::parse_line(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
