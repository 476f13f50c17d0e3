"use strict";
const mapView = { open: async () => {}, draw() {}, light() {}, decided() {}, reload: async () => {}, forget() {}, nameOf: String, toggleLasso() {}, fit() {} };
