//! Channels: the current channel statement, the release to which a channel points on this node, and that a
//! node moves no channel back by itself.

use chuan_engine::statement::{Body, Channel, Header, Key, RoleKind, Statement};

use super::*;
use crate::{
    authority,
    command::{Channels, Conflicts, History, Keys, Promote, Rollback, SetChannel, Signed},
    keyring::Keyring,
    outcome::{ChannelMoved, ChannelRow},
    session::Session,
};

async fn signed(node: &Node, command: Signed) -> Result<Outcome> {
    let mut session = Session::within(Arc::clone(&node.0), Job::silent());
    authority::run(&mut session, &Keyring::of_home(node.context().home.clone()), command).await
}

async fn moved(node: &Node, command: Signed) -> ChannelMoved {
    match signed(node, command).await.unwrap() {
        Outcome::Channel(moved) => *moved,
        other => panic!("{other:?}"),
    }
}

fn channel_options(channel: &str, release: &str) -> SetChannel {
    let [library, channel, release] = ["films", channel, release].map(str::to_owned);
    SetChannel { library, channel, release, ..SetChannel::default() }
}

/// Sets a channel, confirmed.
fn set(channel: &str, release: &str) -> Signed {
    let options = SetChannel { yes: true, ..channel_options(channel, release) };
    Signed::SetChannel { options, keys: Keys::default() }
}

fn promote(from: &str, to: &str) -> Signed {
    let [library, from, to] = ["films", from, to].map(str::to_owned);
    Signed::Promote {
        options: Promote { library, from, to, yes: true, ..Promote::default() },
        keys: Keys::default(),
    }
}

fn rollback(to: Option<&str>) -> Signed {
    let to = to.map(str::to_owned);
    let (library, channel) = ("films".to_owned(), "live".to_owned());
    let options = Rollback { library, channel, to, yes: true, ..Rollback::default() };
    Signed::Rollback { options, keys: Keys::default() }
}

/// Rolls `live` back to the release of this number.
pub(super) async fn rollback_to(node: &Node, number: u8) {
    drop(moved(node, rollback(Some(&number.to_string()))).await);
}

async fn row(node: &Node, name: &str) -> ChannelRow {
    let list = node.channels(Channels { library: "films".into() }).await.unwrap();
    list.channels.into_iter().find(|row| row.name == name).unwrap()
}

/// A home that has published this number of releases.
async fn published(place: &Place, releases: usize) -> Node {
    let node = place.node("a").await;
    for number in 1..=releases {
        place.write("a.mp4", &"film ".repeat(number));
        place.publish(&node).await.unwrap();
    }
    node
}

/// Delivers statements as a peer does.
fn deliver(node: &Node, statements: &[&Statement]) {
    let bytes: Vec<_> = statements.iter().map(|statement| statement.bytes().clone()).collect();
    let news = node.library_service().offer(&bytes).unwrap();
    node.library_service().follow_news(&news);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_set_promoted_and_rolled_back() {
    let place = Place::new();
    let node = published(&place, 3).await;
    let canary = moved(&node, set("canary", "films@2")).await;
    assert_eq!((canary.before, canary.channel.said.sequence, canary.channel.up_to_date), (None, 2, true));
    assert!(!canary.channel.said.follow);

    let live = moved(&node, promote("canary", "live")).await;
    assert_eq!((live.before_sequence, live.channel.here_sequence), (Some(3), Some(2)));
    assert!(live.channel.said.follow, "an option that is not given keeps its value");
    assert_eq!(live.channel.said.by, "operator");

    // Each rollback goes to the release before, never to one that was rolled back.
    moved(&node, set("live", "3")).await;
    assert_eq!(moved(&node, rollback(None)).await.channel.said.sequence, 2);
    assert_eq!(moved(&node, rollback(None)).await.channel.said.sequence, 1);
    assert_eq!(signed(&node, rollback(None)).await.unwrap_err().exit, Exit::Missing);
    assert_eq!(moved(&node, rollback(Some("3"))).await.channel.said.sequence, 3);

    let history = node.history(History { library: "films".into(), channel: "live".into() }).await.unwrap();
    let releases: Vec<_> = history.moves.iter().map(|row| row.sequence).collect();
    assert_eq!(releases, [3, 1, 2, 3, 2, 3, 2, 1]);
    assert!(history.moves.is_sorted_by(|newer, older| newer.statement_sequence > older.statement_sequence));

    // The next publish moves the channel to the next release.
    place.write("a.mp4", "four");
    let fourth = place.publish(&node).await.unwrap();
    assert_eq!((fourth.sequence, row(&node, "live").await.said.sequence), (4, 4));
}

/// Symptom: a publish silently undid a rollback. It names the move that its release replaces, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_names_the_rollback_that_its_release_replaces() {
    let place = Place::new();
    let node = published(&place, 3).await;
    moved(&node, rollback(Some("1"))).await;
    // A statement that keeps the release does not hide the rollback.
    moved(&node, set("live", "1")).await;
    let operator = row(&node, "live").await.said.signers;
    place.write("a.mp4", "four");
    let dry = Publish { dry_run: true, source: place.path("films"), ..Publish::default() };
    let dry = Publish { library: "films".into(), ..dry };
    let fourth = [node.publish(dry, &Job::silent()).await.unwrap(), place.publish(&node).await.unwrap()];
    for answer in fourth {
        let replaced = answer.replaces.expect("the rollback is named");
        assert_eq!((replaced.sequence, replaced.by.as_str(), &replaced.signers), (1, "operator", &operator));
    }
    place.write("a.mp4", "five");
    assert_eq!(place.publish(&node).await.unwrap().replaces, None);

    // Held on a release, the channel is not moved by a publish: nothing is replaced.
    let options = SetChannel { no_follow: true, yes: true, ..channel_options("live", "4") };
    moved(&node, Signed::SetChannel { options, keys: Keys::default() }).await;
    place.write("a.mp4", "six");
    let sixth = place.publish(&node).await.unwrap();
    assert_eq!((sixth.side, sixth.live_follows, sixth.live_sequence, sixth.replaces), (true, false, 4, None));
    let again = place.publish(&node).await.unwrap();
    assert_eq!((again.changed, again.side, again.live_sequence), (false, true, 4));
}

/// Symptom: `channel set live q@3` after a rollback and a publish was said to take nothing away, and was not
/// asked about: release 3 is no ancestor of 4, which is based on 1.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_leaves_releases_needs_a_confirmation() {
    let place = Place::new();
    let node = published(&place, 3).await;
    moved(&node, set("canary", "3")).await;
    moved(&node, rollback(Some("1"))).await;
    place.write("a.mp4", "four");
    place.publish(&node).await.unwrap();
    let unconfirmed = [
        Signed::SetChannel { options: channel_options("live", "3"), keys: Keys::default() },
        Signed::Rollback {
            options: Rollback {
                library: "films".into(),
                channel: "live".into(),
                to: Some("2".into()),
                ..Rollback::default()
            },
            keys: Keys::default(),
        },
        Signed::Promote {
            options: Promote {
                library: "films".into(),
                from: "canary".into(),
                to: "live".into(),
                ..Promote::default()
            },
            keys: Keys::default(),
        },
    ];
    for command in unconfirmed {
        let Outcome::Preview(preview) = signed(&node, command.clone().dry().unwrap()).await.unwrap() else {
            panic!("a dry run has a preview")
        };
        assert!(preview.confirm && preview.asks);
        assert_eq!(
            (preview.channels[0].leaves.as_slice(), preview.channels[0].releases),
            ([4].as_slice(), 1)
        );
        let failure = signed(&node, command.clone()).await.unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.message.contains("leaves release 4"), "{failure}");
    }
    assert_eq!(row(&node, "live").await.said.sequence, 4);
    let third = moved(&node, set("live", "3")).await;
    assert_eq!((third.releases_back, third.leaves), (1, vec![4]));
    // Onward needs none.
    let options = channel_options("canary", "1");
    moved(&node, Signed::SetChannel { options: SetChannel { yes: true, ..options }, keys: Keys::default() })
        .await;
    let options = channel_options("canary", "2");
    moved(&node, Signed::SetChannel { options, keys: Keys::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_is_refused_with_a_list_of_known_names() {
    let place = Place::new();
    let node = published(&place, 2).await;
    moved(&node, set("canary", "1")).await;
    let before = node.history(History { library: "films".into(), channel: "live".into() }).await.unwrap();
    for (command, exit, hint) in [
        (promote("canray", "live"), Exit::Missing, "canary, live"),
        (promote("canary", "liev"), Exit::Missing, "canary, live"),
        (set("live", "7"), Exit::Missing, "chuan releases"),
        (set("live", "opera@1"), Exit::Usage, "is not a release of films"),
        (set("li ve", "1"), Exit::Usage, "no channel name"),
        (set(&"c0ffee00".repeat(8), "1"), Exit::Usage, "could not be told from a release"),
        (set("2024", "1"), Exit::Usage, "could not be told from a release"),
        (rollback(Some("2")), Exit::Usage, "already"),
    ] {
        let failure = signed(&node, command).await.unwrap_err();
        assert_eq!(failure.exit, exit, "{failure}");
        assert!(failure.message.contains(hint), "{failure}");
    }
    let unknown = SetChannel {
        library: "films".into(),
        channel: "live".into(),
        release: "1".into(),
        publisher: Some("0000".into()),
        ..SetChannel::default()
    };
    let failure = signed(&node, Signed::SetChannel { options: unknown, keys: Keys::default() }).await;
    assert!(failure.unwrap_err().message.contains("its publishers are "));
    let after = node.history(History { library: "films".into(), channel: "live".into() }).await.unwrap();
    assert_eq!(before, after);
}

/// Without the operator's key, the active publisher can move its own channel, but cannot make a new one.
#[tokio::test(flavor = "multi_thread")]
async fn the_active_publisher_moves_its_own_channel_only() {
    let place = Place::new();
    let node = published(&place, 2).await;
    let library = node.library_service().named("films").unwrap().id();
    std::fs::remove_file(node.context().home.role_key_path(&library, RoleKind::Operator)).unwrap();
    let live = moved(&node, rollback(None)).await;
    assert_eq!((live.channel.said.sequence, live.channel.said.by.as_str()), (1, "publisher"));
    let failure = signed(&node, set("canary", "1")).await.unwrap_err();
    assert_eq!(failure.exit, Exit::Denied);
    assert!(failure.message.contains("operator"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_other_than_live_is_pulled() {
    let place = Place::new();
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    pull(&mirror).await.unwrap();
    place.write("b.mp4", &"film ".repeat(100_000));
    place.publish(&origin).await.unwrap();
    moved(&origin, set("canary", "2")).await;
    moved(&origin, rollback(None)).await;

    let canary = Pull { channel: "canary".into(), ..Pull::default() };
    let pulled = mirror.pull(canary.clone(), &Job::silent()).await.unwrap();
    assert_eq!((pulled.sequence, pulled.changed, pulled.channel.as_str()), (2, true, "canary"));
    assert_eq!(mirror.resolve(&"films@canary".parse().unwrap()).unwrap().sequence, 2);
    assert_eq!(mirror.resolve(&"films@live".parse().unwrap()).unwrap().sequence, 1);
    // Content that both channels share is fetched once.
    moved(&origin, promote("canary", "live")).await;
    let live = pull(&mirror).await.unwrap();
    assert_eq!((live.sequence, live.chunks_fetched), (2, 0));

    let failure = mirror.pull(Pull { channel: "canray".into(), ..Pull::default() }, &Job::silent()).await;
    assert_eq!(failure.unwrap_err().exit, Exit::Missing);
}

/// A key signs two channel statements at one sequence: both become ineffective. On this node the channel
/// still points to its release, also after a restart, until an operator sets the channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_stays_where_it_stood_when_its_statement_is_contradicted() {
    let place = Place::new();
    let node = published(&place, 2).await;
    let library = node.library_service().named("films").unwrap();
    let keys = Keyring::of_home(node.home().clone()).role_keys(&library, RoleKind::Publisher).unwrap();
    let publisher = &keys[0];
    let said = library.channel("live").unwrap();
    let first = library.channel_history("live")[0].body.release;
    let rival = sign_channel(publisher, &said, first);
    deliver(&node, &[&rival]);

    let library = node.library_service().named("films").unwrap();
    assert_eq!(library.channel("live").unwrap().body.release, first, "the statement before is not current");
    assert_eq!(row(&node, "live").await.here_sequence, Some(2), "the channel went back");
    let open = node.conflicts(Conflicts::default()).await.unwrap().conflicts;
    assert_eq!((open.len(), open[0].kind.as_str(), open[0].settled), (1, "channel", false));
    for proof in &open[0].statements {
        let bytes = data_encoding::HEXLOWER.decode(proof.envelope.as_bytes()).unwrap();
        let statement = Statement::decode(&bytes).unwrap();
        statement.verify_signatures().unwrap();
        assert_eq!(proof.signers, [publisher.public().to_string()]);
    }
    assert_eq!(node.status().await.unwrap().libraries[0].conflicts_open, 1);
    node.close().await;
    drop(node);

    let node = Node::open(place.path("a")).await.unwrap();
    assert_eq!(row(&node, "live").await.here_sequence, Some(2), "the channel went back at the restart");
    let live = moved(&node, set("live", "1")).await;
    assert_eq!((live.channel.here_sequence, live.channel.up_to_date), (Some(1), true));
    assert_eq!(node.status().await.unwrap().libraries[0].conflicts_open, 0);
    assert!(node.conflicts(Conflicts::default()).await.unwrap().conflicts[0].settled);
}

/// Signs another channel statement with the same key, at the sequence of `said`.
fn sign_channel(
    publisher: &Key,
    said: &chuan_engine::statement::Signed<'_, Channel>,
    release: chuan_engine::id::StatementId,
) -> Statement {
    let header = Header {
        library: Some(said.statement.library()),
        sequence: said.statement.sequence(),
        time_ms: said.statement.time_ms(),
    };
    let body = Body::Channel(Channel { release, ..said.body.clone() });
    Statement::sign(header, &body, &[publisher]).unwrap()
}

/// The pull record is of the channel that was asked for. Other channels that the pull moves here, and all of
/// them if a release was asked for, have records of their own.
#[tokio::test(flavor = "multi_thread")]
async fn each_channel_that_a_pull_moves_is_in_the_log() {
    let place = Place::new();
    let origin = place.origin().await;
    moved(&origin, set("canary", "films@1")).await;
    // Verbs and subjects behind the first `from` records, without ids.
    let log = |node: &Node, from: usize| {
        let records = super::audit::read_log(node).into_iter().skip(from);
        let text = |record: crate::outcome::AuditRecord| {
            format!("{} {}", record.verb, record.subject.rsplit_once(' ').map_or("", |(subject, _)| subject))
        };
        let mut texts: Vec<_> = records.map(text).collect();
        texts.sort();
        texts
    };
    let mirror = place.node("mirror").await;
    mirror.join(ticket(&origin).await).await.unwrap();
    let joined = log(&mirror, 0).len();
    pull(&mirror).await.unwrap();
    assert_eq!(log(&mirror, joined), ["channel canary -> films@1", "pull live -> films@1"]);

    place.write("b.mp4", "another film");
    place.publish(&origin).await.unwrap();
    let pulled = log(&mirror, 0).len();
    let by_name =
        Pull { library: Some("films@2".to_owned()), channel: "canary".to_owned(), ..Pull::default() };
    mirror.pull(by_name, &Job::silent()).await.unwrap();
    assert_eq!(log(&mirror, pulled), ["channel live -> films@2", "pull films@2"]);
}
