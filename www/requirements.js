// Runs before everything else, in browsers of any age, and says so where one cannot show the page: the other scripts may not
// even be read there. What these need came last in Chrome 123, Firefox 125 and Safari 17.5, in spring 2024.
(function () {
  // The smallest module with a SIMD instruction.
  var simd = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  /** @type {Record<string, boolean>} */
  var needs = {
    'colours for light and dark': Boolean(window.CSS && CSS.supports && CSS.supports('color', 'light-dark(#000, #fff)')),
    'menus (popover)': 'popover' in HTMLElement.prototype,
    'WebAssembly with SIMD': Boolean(window.WebAssembly && WebAssembly.validate(new Uint8Array(simd))),
    'compressed links': 'CompressionStream' in window,
  };
  var lacks = Object.keys(needs).filter(function (name) { return !needs[name]; });
  if (lacks.length === 0) return;
  document.addEventListener('DOMContentLoaded', function () {
    var notice = document.createElement('p');
    notice.className = 'notice notice-error';
    notice.id = 'too-old';
    notice.setAttribute('role', 'alert');
    notice.textContent = 'This browser is too old for Patchlab: it lacks ' + lacks.join(', ') + '. Use Chrome or Edge 123, Firefox 125 or Safari 17.5, or a newer one.';
    var article = document.getElementById('article');
    if (article) article.insertBefore(notice, article.firstChild);
  });
})();
