//! A Stage-3 domain in Rust: `describe` gives the mean and the extremes of numbers.
//!
//! No crate is needed, so that this can be read and built as it stands. A real domain
//! uses `serde_json` and keeps only the two exported functions.

use std::fmt::Write;

/// Gives the host room for `len` bytes. The memory is dropped whole after the call.
#[no_mangle]
pub extern "C" fn alloc(len: u32) -> *mut u8 {
    let mut room = Vec::<u8>::with_capacity(len as usize);
    let start = room.as_mut_ptr();
    std::mem::forget(room);
    start
}

/// Answers one request; the result holds address and length of the answer.
///
/// # Safety
/// The host passes what it wrote into memory from `alloc`.
#[no_mangle]
pub unsafe extern "C" fn invoke(start: *const u8, len: u32) -> u64 {
    let request = std::slice::from_raw_parts(start, len as usize);
    let answer = answer(std::str::from_utf8(request).unwrap_or(""));
    let packed = ((answer.as_ptr() as u64) << 32) | answer.len() as u64;
    std::mem::forget(answer);
    packed
}

fn answer(request: &str) -> String {
    // The request is canonical JSON, already checked against the schema.
    match numbers(request) {
        Some(numbers) if request.starts_with("{\"method\":\"describe\",") => describe(&numbers),
        Some(_) => failure("there is no such method"),
        None => failure("'numbers' must hold at least one number"),
    }
}

fn numbers(request: &str) -> Option<Vec<f64>> {
    let list = request.split("\"numbers\":[").nth(1)?.split(']').next()?;
    list.split(',').map(|one| one.parse().ok()).collect()
}

fn describe(numbers: &[f64]) -> String {
    let (mut least, mut most, mut sum) = (numbers[0], numbers[0], 0.0);
    for &one in numbers {
        least = f64::min(least, one);
        most = f64::max(most, one);
        sum += one;
    }
    let mut answer = String::from("{\"success\":true,\"error\":null,\"data\":");
    let mean = sum / numbers.len() as f64;
    let _ = write!(
        answer,
        "{{\"count\":{},\"least\":{},\"mean\":{},\"most\":{}}}}}",
        numbers.len(), least, mean, most
    );
    answer
}

fn failure(why: &str) -> String {
    format!("{{\"success\":false,\"data\":null,\"error\":\"{}\"}}", why)
}
