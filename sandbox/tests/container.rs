//! The `container` backend. Where an engine answers, jobs run in it; everywhere, its command line is looked at and its
//! ends are classified over a stand-in that this test writes: a script that takes the engine's words and runs the
//! command as a plain process.

mod container {
    mod ends;
    mod real;
    mod stand_in;
    mod words;
}
