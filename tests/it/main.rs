//! The only binary of integration tests: whole processes, and rules that no compiler checks.

mod acts;
mod admin;
mod answers;
mod audit;
mod authority;
mod bad_input;
mod bench;
mod channels;
#[cfg(target_arch = "x86_64")]
mod crash;
mod flips;
mod fresh;
mod full_disk;
mod fuzz_corpus;
mod goldens;
mod home;
mod hostile;
mod hostile_links;
mod keys;
mod kill;
mod language;
mod ledger;
mod limits;
mod many_files;
mod mistakes;
mod origin_lost;
mod publish_folders;
mod recovery;
mod relayed;
mod release;
mod requests;
#[cfg(target_arch = "x86_64")]
mod restore_calls;
mod restore_sync;
mod roots;
mod round;
mod running;
mod surface;
mod tidy;
mod twins;
