//! [`Channels`]: the channels of a library.

use chuan_engine::statement::PublicKey;

use super::{Act, Channel, ChannelMove, ChannelState, Error, Library, ReleaseName, act, answer};
use crate::{
    command::{self, Command, Fresh, History, Keys, Promote, Rollback, SetChannel, Signed},
    exit,
    job::Job,
    outcome::Vouched,
};

/// The channels of a library. Operators move them; the active publisher of a channel may move it, too.
#[derive(Clone, Debug)]
pub struct Channels(pub(super) Library);

/// The publisher that moves a channel. For a channel that exists, settings that are not given stay as they
/// are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Following {
    publisher: Option<PublicKey>,
    follow: Option<bool>,
}

impl Following {
    /// No change. A new channel gets the publisher of its release, and stays on that release.
    pub fn new() -> Self {
        Self::default()
    }

    /// The publisher that moves the channel from there.
    pub fn publisher(mut self, key: PublicKey) -> Self {
        self.publisher = Some(key);
        self
    }

    /// Whether new releases of that publisher move the channel at once.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = Some(follow);
        self
    }
}

impl Channels {
    /// All channels, with their releases by the newest statements and in this home.
    pub async fn list(&self) -> Result<Vec<ChannelState>, Error> {
        let command = Command::Channels(command::Channels { library: self.library() });
        let list = self.0.ask(command, Job::silent(), answer!(Channels)).await?;
        Ok(list.channels.into_iter().map(ChannelState::of).collect::<exit::Result<_>>()?)
    }

    /// The releases to which a channel has pointed, newest first: every statement about it that is or was
    /// effective.
    pub async fn history(&self, channel: Channel) -> Result<Vec<ChannelMove>, Error> {
        let command = Command::History(History { library: self.library(), channel: channel.to_string() });
        let history = self.0.ask(command, Job::silent(), answer!(History)).await?;
        Ok(history.moves.into_iter().map(ChannelMove::of).collect::<exit::Result<_>>()?)
    }

    /// Points a channel to a release, and sets the publisher that moves it from there. A new name makes a
    /// channel.
    pub fn set(
        &self,
        channel: Channel,
        release: impl Into<ReleaseName>,
        following: Following,
    ) -> Act<ChannelState> {
        let command = self.0.text(&release.into()).map(|release| {
            let options = SetChannel {
                library: self.library(),
                channel: channel.to_string(),
                release,
                publisher: following.publisher.map(|key| key.to_string()),
                follow: following.follow == Some(true),
                no_follow: following.follow == Some(false),
                yes: true,
                ..SetChannel::default()
            };
            Signed::SetChannel { options, keys: Keys::default() }
        });
        Act::new(&self.0, command, ChannelState::of_outcome)
    }

    /// Moves the channel `to` to the release to which the channel `from` points.
    pub fn promote(&self, from: Channel, to: Channel) -> Act<ChannelState> {
        let (library, from, to) = (self.library(), from.to_string(), to.to_string());
        let options = Promote { library, from, to, yes: true, ..Promote::default() };
        Act::new(&self.0, Ok(Signed::Promote { options, keys: Keys::default() }), ChannelState::of_outcome)
    }

    /// Moves a channel back to the release before its current one.
    pub fn rollback(&self, channel: Channel) -> Act<ChannelState> {
        self.back(channel, Ok(None))
    }

    /// Moves a channel back to a release to which it has pointed.
    pub fn rollback_to(&self, channel: Channel, release: impl Into<ReleaseName>) -> Act<ChannelState> {
        self.back(channel, self.0.text(&release.into()).map(Some))
    }

    /// Vouches, as a timekeeper of the library, for the current statement about a channel.
    pub async fn vouch(&self, channel: Channel) -> Result<Vouched, Error> {
        let options = Fresh { library: self.library(), channel: channel.to_string() };
        let outcome = act::signed(&self.0, Signed::Fresh { options, keys: Keys::default() }).await?;
        Ok(*answer!(Fresh)(outcome)?)
    }

    fn back(&self, channel: Channel, to: exit::Result<Option<String>>) -> Act<ChannelState> {
        let command = to.map(|to| {
            let (library, channel) = (self.library(), channel.to_string());
            let options = Rollback { library, channel, to, yes: true, ..Rollback::default() };
            Signed::Rollback { options, keys: Keys::default() }
        });
        Act::new(&self.0, command, ChannelState::of_outcome)
    }

    fn library(&self) -> String {
        self.0.id().to_string()
    }
}
