//! `twin verify` and `twin frames`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = twin_verify::verify(bytes) {
        for violation in &report.violations {
            let _ = violation.to_string();
        }
    }
    let _ = twin_verify::picture::draw(bytes, None);
});
