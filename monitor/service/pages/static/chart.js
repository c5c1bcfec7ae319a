// A chart on a page: draws, redraws without losing the zoom, and its two buttons.

const SETTINGS = {
  displaylogo: false, displayModeBar: false, responsive: true, showSendToCloud: false,
};

export class Chart {
  constructor(place, make) {
    this.place = place;
    this.make = make;
    this.isLog = true;
    this.queue = Promise.resolve();
    const toggle = document.getElementById("log-steps");
    toggle.addEventListener("click", () => {
      this.isLog = !this.isLog;
      toggle.setAttribute("aria-pressed", String(this.isLog));
      this.draw();
    });
    document.getElementById("whole").addEventListener("click", () => this.showAll());
  }

  draw() {
    this.queue = this.queue.then(() => {
      const { data, layout } = this.make(this.isLog);
      return window.Plotly.react(this.place, data, layout, SETTINGS);
    }).then(() => { this.place.dataset.drawn = String(Number(this.place.dataset.drawn ?? 0) + 1); });
    return this.queue;
  }

  showAll() {
    return window.Plotly.relayout(this.place, { "xaxis.autorange": true });
  }
}
