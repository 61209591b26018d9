//! Mirrors that follow a library by themselves: no command pulls.

use std::time::Duration;

use chuan_engine::limits::FOLLOW_RETRY_LONGEST;
use tokio::time::sleep;

use super::{
    content::publish,
    planted::Bug,
    scenarios::{CALM, CONVERGE, Outcome, calm, check_content, check_newest, disturb, finish, run},
    world::World,
};

/// How long a followed release may take in an undisturbed mesh: at each node on its way the pause before a
/// statement is passed on, and the transfer.
const PROMPT: Duration = Duration::from_secs(2);

/// Releases reach every mirror without a command, through restarts, losses and partitions. At every moment,
/// each channel of a home stands on a release whose content is complete there.
pub(super) fn following(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 4, bug).await;
        world.follow();
        world.net.set_loss(world.rng.clone().within(0, 25));
        let mut checked = Ok(());
        for edition in 1..=5 {
            if world.nodes[0].services.is_some() {
                publish(&world.services(0), &world.library, &world.publisher, edition).unwrap();
            }
            for _ in 0..world.rng.within(1, 5) {
                disturb(&mut world).await;
                checked = checked.and(check_content(&world));
                sleep(Duration::from_millis(world.rng.within(0, 20_000))).await;
                checked = checked.and(check_content(&world));
            }
        }
        calm(&mut world).await;
        sleep(CONVERGE + Duration::from_millis(FOLLOW_RETRY_LONGEST)).await;
        checked = checked.and(check_content(&world)).and(check_newest(&world));
        finish(world, checked).await
    })
}

/// In an undisturbed mesh a release is at every mirror within [`PROMPT`].
pub(super) fn prompt_following(seed: u64, bug: Option<Bug>) -> Outcome {
    run(async move {
        let mut world = World::new(seed, 4, bug).await;
        world.follow();
        sleep(CONVERGE).await;
        let mut checked = Ok(());
        for edition in 1..=3 {
            publish(&world.services(0), &world.library, &world.publisher, edition).unwrap();
            sleep(PROMPT).await;
            checked = checked.and(check_newest(&world));
            sleep(CALM + Duration::from_millis(world.rng.within(0, 40_000))).await;
        }
        checked = checked.and(check_content(&world));
        finish(world, checked).await
    })
}
