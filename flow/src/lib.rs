//! The flow model of Lookback: Hubble's events as rows of an Arrow RecordBatch with one fixed schema.
//!
//! JSON lines, protobuf messages and Parquet files are edges: each is a codec to or from that batch.
//!
//! | module | holds |
//! |---|---|
//! | [`columns`] | the column table, the only place where a column exists |
//! | [`schema`] | the message tree made from it and the `.proto` files |
//! | [`json`] | exporter lines ↔ rows |
//! | [`protobuf`] | Hubble's API messages ↔ rows |
//! | [`segment`] | Parquet files ↔ rows |
//! | [`archive`] | a folder of them: layout, import without half files, order of time |
//! | [`filter`] | Hubble's flow filters, decided column by column |
//! | [`mask`] | which fields of a flow are wanted |
//! | [`coverage`] | what some rows cover: nodes, time, losses |
//! | [`rows`], [`view`] | building batches, reading them row by row |
//! | [`derive`](mod@derive) | direction, client and server, and other columns computed from stored ones |
//! | [`event`], [`terms`] | a row in Hubble's words |
//! | [`escape`] | text from a log, made harmless |
//! | [`store`] | the seam to object storage |
//! | [`inputs`], [`lines`] | which files to read, in which order; their lines, decompressed |

pub mod archive;
pub mod columns;
pub mod coverage;
pub mod derive;
pub mod dictionary;
pub mod escape;
pub mod event;
mod extra;
pub mod filter;
pub mod guard;
pub mod inputs;
pub mod json;
pub mod lines;
pub mod mask;
pub mod names;
pub mod oddities;
pub mod proto;
pub mod protobuf;
pub mod rows;
pub mod schema;
pub mod segment;
mod settled;
pub mod store;
pub mod terms;
pub mod time;
pub mod view;
