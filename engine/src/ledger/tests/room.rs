//! Zeros after the last frame, as file systems leave them.

use super::*;

/// Symptom: zeros after the end of `b`, as a file system leaves them after a crash, were taken for a batch
/// that `a` had lost.
#[test]
fn zeros_after_the_end_are_not_a_batch() {
    let file = small();
    let sound = file.bytes();
    for room in [1, 3, 64, 4096] {
        let longer = Bytes::from([&sound[..], &vec![0; room]].concat());
        for (a, b) in [(&longer, &sound), (&sound, &longer), (&longer, &longer)] {
            let plan = open(Some(a), Some(b));
            assert_eq!(
                (plan.mend, plan.end, plan.found.len()),
                (Mend::None, sound.len() as u64, 0),
                "{room}"
            );
            assert_eq!((numbers(&plan), lost(&plan)), (vec![1, 2, 3, 4, 5, 6], vec![]));
        }
        // A last batch of `b` that is cut, with zeros after it, is completed.
        for cut in 1..200 {
            let torn = Bytes::from([&sound[..sound.len() - cut], &vec![0; cut + room]].concat());
            let plan = open(Some(&sound), Some(&torn));
            assert_eq!(
                (plan.mend, lost(&plan)),
                (Mend::Copy(Side::A), vec![]),
                "{cut} bytes cut, {room} zeros after it"
            );
        }
    }
}
