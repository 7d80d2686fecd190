//! Colours and type of the drawing. All selectors begin with its class, so that a page around it is left alone.

pub(super) const STYLE: &str = "\
.lb-map{--ground:#fff;--ink:#1b2733;--soft:#5b6875;--frame:#f4f6f8;--border:#d3dae1;--box:#fff;--box-border:#9aa7b4;\
--good:#8fa3b5;--audited:#8250df;--erring:#c98a00;--failing:#e4570b;--dropped:#cf2237;\
font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;max-width:none}\
@media(prefers-color-scheme:dark){.lb-map{--ground:#12171d;--ink:#e4eaf0;--soft:#9aa8b5;--frame:#1a2129;--border:#303b46;\
--box:#232c36;--box-border:#566472;--good:#647a8e;--audited:#b392f0;--erring:#e3b341;--failing:#ff8b4d;--dropped:#ff6473}}\
.lb-map .ground{fill:var(--ground)}\
.lb-map text{fill:var(--ink)}\
.lb-map .heading{font-size:17px;font-weight:600}\
.lb-map .frame rect{fill:var(--frame);stroke:var(--border)}\
.lb-map .frame rect.outside{stroke-dasharray:2 4}\
.lb-map .frame text{fill:var(--soft);font-size:12px;font-weight:600}\
.lb-map .service rect{fill:var(--box);stroke:var(--box-border)}\
.lb-map .service.cluster rect{stroke-dasharray:4 3}\
.lb-map .service.erring rect{stroke:var(--erring)}\
.lb-map .service.failing rect{stroke:var(--failing);stroke-width:1.6}\
.lb-map .service.dropped rect{stroke:var(--dropped);stroke-width:1.6}\
.lb-map .service text{text-anchor:middle;pointer-events:none}\
.lb-map .service .ports{fill:var(--soft);font-size:10px}\
.lb-map .edge path{fill:none;stroke-linejoin:round}\
.lb-map .good path{stroke:var(--good)}\
.lb-map .audited path{stroke:var(--audited);stroke-dasharray:2 3}\
.lb-map .erring path{stroke:var(--erring)}\
.lb-map .failing path{stroke:var(--failing)}\
.lb-map .dropped path{stroke:var(--dropped);stroke-dasharray:7 4}\
.lb-map .head path{stroke:none}\
.lb-map .head.good path{fill:var(--good)}\
.lb-map .head.audited path{fill:var(--audited)}\
.lb-map .head.erring path{fill:var(--erring)}\
.lb-map .head.failing path{fill:var(--failing)}\
.lb-map .head.dropped path{fill:var(--dropped)}\
.lb-map .edge:hover path{stroke:var(--ink)}\
.lb-map .legend text{fill:var(--soft)}\
.lb-map .legend .note{fill:var(--ink);font-weight:600}";
