//! The classifiers on crafted packets, run by the kernel itself (`BPF_PROG_TEST_RUN`).
use aya::programs::{TestRun as _, TestRunOptions};
use lookback_recorder::kernel::object::{Object, Settings};
use lookback_recorder_ebpf::Packet;

#[test]
fn first() {
    let mut object = Object::load(&Settings::default(), None).unwrap();
    let mut ring = object.take_ring().unwrap();
    let mut p = vec![0u8; 14];
    p[12] = 8;
    p.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    p.extend([0x80, 1, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 1, 0, 0, 0, 0]);
    let r = object
        .classifier("lookback_in")
        .unwrap()
        .test_run(TestRunOptions { data_in: Some(&p), ..Default::default() })
        .unwrap();
    println!("{r:?}");
    while let Some(item) = ring.next() {
        println!("{:?}", Packet::read(&item));
    }
}
